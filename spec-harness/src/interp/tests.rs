//! Programs without a pool: what is asked for, and in which order.
