//! The benchmark in benches/ by itself: its tests are in Python, beside it. Nothing is measured here.

use std::process::Command;

#[test]
fn the_open_loop_omits_nothing_and_documents_quote_the_results() {
    let root = env!("CARGO_MANIFEST_DIR");
    let tests = Command::new("python3")
        .args(["-B", "-m", "unittest", "discover", "-s", "benches"])
        .current_dir(root)
        .output()
        .expect("Python runs");
    let said = String::from_utf8_lossy(&tests.stderr);
    assert!(tests.status.success(), "{said}");
    // An empty run is a success as well.
    assert!(said.contains("Ran ") && !said.contains("Ran 0 "), "{said}");
}
