//! `cargo sim`: runs worlds, one seed or many. Compiled as usual it only builds itself again for
//! simulation and hands over, because an alias of cargo cannot set a cfg.
#![allow(clippy::disallowed_methods)]

use std::process::ExitCode;

#[cfg(not(madsim))]
fn main() -> ExitCode {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    const TARGET: &str = "target/sim";
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("sim lies in the workspace");
    let built = Command::new(env!("CARGO"))
        .current_dir(root)
        .args(["build", "--quiet", "--package", "sim", "--profile", "sim", "--target-dir", TARGET])
        .env("RUSTFLAGS", "--cfg madsim")
        .status();
    match built {
        Ok(status) if status.success() => {}
        Ok(_) => return ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cannot run cargo: {error}");
            return ExitCode::FAILURE;
        }
    }
    let program = root.join(TARGET).join("sim/sim");
    let error = Command::new(&program).args(std::env::args_os().skip(1)).exec();
    eprintln!("cannot run {}: {error}", program.display());
    ExitCode::FAILURE
}

#[cfg(madsim)]
fn main() -> ExitCode {
    sim::command::main()
}
