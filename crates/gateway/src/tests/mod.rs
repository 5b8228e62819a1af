//! A real edge on a real port, in front of upstreams that behave as badly as they can.

mod calls;
mod control;
mod hostile;
mod keys;
mod lifecycle;
mod limits;
mod policies;
mod tls;
mod versions;
mod world;
