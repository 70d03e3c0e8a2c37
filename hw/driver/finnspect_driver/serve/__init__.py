"""A network service around one accelerator: Open Inference Protocol, metrics, a live page.

Needs the extra ``serve`` of the driver's wheel (starlette, uvicorn, prometheus-client, pillow) and
Python 3.10, which PYNQ 3.x images have. The rest of the driver does not import this package.

========================= ===============================================================
module                    owns
========================= ===============================================================
``settings``              limits and where to listen; refuses an open door without a token
``worker``                the one thread that uses the accelerator, and its bounded queue
``protocol``              JSON tensors of the Open Inference Protocol
``pictures``              uploaded picture files
``recent``                what the live page shows
``metrics``               what Prometheus reads
``guard``                 who may ask what; bodies within limits
``connection``            connections of clients that stall or flood
``app``                   the routes
``command``               ``finnspect-board serve``
========================= ===============================================================
"""
