//! A real edge on a real port, in front of upstreams that behave as badly as they can.

mod cache;
mod cached_targets;
mod calls;
mod control;
mod extended;
mod forwarded;
mod grpc;
mod hostile;
mod http2;
mod keys;
mod lifecycle;
mod limits;
mod moved_targets;
mod places;
mod policies;
mod secure_targets;
mod smuggling;
mod targets;
mod tls;
mod transform_bodies;
mod transform_requests;
mod transforms;
mod transforms_cached;
mod tunnels;
mod versions;
mod world;
