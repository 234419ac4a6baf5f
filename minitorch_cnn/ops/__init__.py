"""The operators: read elementwise, reduce, shape, linear, conv, pool, norm, lrn, activation, loss, then the rest."""
