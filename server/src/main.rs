//! The `apiverse` binary: command line, composition, shutdown.

mod admin;
mod changes;
mod cli;
mod compose;
mod compress;
mod configuration;
mod demo;
mod doctor;
mod exports;
mod greeting;
mod key_places;
mod memory;
mod probes;
mod reload;
mod sample;
mod serve;
mod signals;
mod tail;
mod telemetry;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    memory::set_up();
    cli::run()
}
