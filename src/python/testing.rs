//! The embedded interpreter of a test process.

use super::Interpreter;
use super::config::{GilMode, HashSeed, Options};
use super::interpreter::{self, SetUp};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::thread;

/// The main interpreter, started by the first test that asks, without the GIL where
/// the build allows it. `set_up` is the same function for all tests of a process.
pub(crate) fn interpreter(set_up: SetUp) -> &'static Interpreter {
    static MAIN: OnceLock<&'static Interpreter> = OnceLock::new();
    MAIN.get_or_init(|| {
        let (report, outcome) = mpsc::channel();
        // Tests run on threads that end. Python's main thread is one that does not.
        thread::spawn(move || {
            let options = Options {
                gil: GilMode::FreeThreading,
                home: None,
                optimize: 0,
                warnings: Vec::new(),
                write_bytecode: false,
                hash_seed: HashSeed::Default,
            };
            // SAFETY: AFTER-FORK: Python was not started before, because this runs once. Test threads that want
            // Python wait for it here, and the others neither call Python nor change the environment.
            let started = unsafe { interpreter::start(&options, set_up, |_| false) };
            report.send(started.map_err(|error| error.to_string())).expect("the first test waits");
            loop {
                thread::park();
            }
        });
        outcome.recv().expect("the thread reports").expect("Python starts");
        interpreter::main().expect("Python has started")
    })
}
