"""One file a command: ``NAME``, ``EXAMPLES`` and ``command``, which says in its signature what it takes."""
