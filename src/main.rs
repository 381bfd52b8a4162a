//! Arguments, config, runtime, run.

fn main() {
    let start = seedis::actor::Start::default();
    let _ = seedis::runtime::task::block_on_main(seedis::actor::run(start));
}
