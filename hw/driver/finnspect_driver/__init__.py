"""Board-side package of finnspect: numpy only, plus pynq on a PYNQ board."""
