"""What was measured, by us and in the papers: records, curves, published numbers."""
