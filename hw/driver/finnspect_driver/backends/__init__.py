"""Back ends: one for each shell that an accelerator may sit in."""
