"""Fitting the cost models to synthesis of our own RTL: ``python -m finnspect.analysis.fit``.

``grid`` draws small networks with every kind of layer, ``samples`` emits and synthesises each and takes apart
what every layer costs, ``solve`` finds what one of each term costs, ``__main__`` writes the cost files.
"""
