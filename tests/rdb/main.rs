//! Values through the RDB format: what real servers wrote, what random commands made, and what is left of
//! either when bits flip.

#[path = "../support/mod.rs"]
mod support;

mod bits;
mod damage;
mod payloads;
mod sequences;
mod world;
