"""The broker as a service: HTTP in front of the store, and workers behind it.

::

    routes/   the API, Gen3 and GA4GH       each asks `Asking` who asks and whether that party may, acts, and answers
    pages/    the console for people        the same, in HTML
    app       puts them together            errors become problems (RFC 9457), requests become log lines and metrics
"""
