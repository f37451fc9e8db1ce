"""Makes notebooks, releases and bundles from the sources of the labs."""
