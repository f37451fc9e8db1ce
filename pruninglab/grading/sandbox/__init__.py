"""Where the students' code runs: bubblewrap, namespaces, seccomp, limits."""
