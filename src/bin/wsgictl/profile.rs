//! A profile of a process, by the sampling profiler that comes with Python 3.15.

use crate::connection::{Failure, SERVER_USER};
use serde_json::Value;
use std::process::Command;

/// The first version with `profiling.sampling`.
const SINCE: (u32, u32) = (3, 15);

/// Samples the process that has most requests.
///
/// # Errors
/// There is no profiler, or it fails.
pub(crate) fn run(answer: &Value, seconds: u64) -> Result<(), Failure> {
    let processes = answer["processes"].as_array().map_or(&[][..], |processes| processes);
    let busiest = processes.iter().max_by_key(|process| process["requests"].as_u64().unwrap_or(0));
    let pid = busiest.and_then(|process| process["pid"].as_u64());
    let pid = pid.ok_or_else(|| Failure::Refused("there is no process to look at".to_owned()))?;
    let version = answer["version"].as_str().unwrap_or_default();
    if parsed(version).is_none_or(|version| version < SINCE) {
        return Err(Failure::Refused(format!(
            "the module runs Python {version}, and the profiler profiling.sampling comes with Python 3.15; \
             py-spy (from PyPI) may do it: py-spy record --duration {seconds} --pid {pid} -o profile.svg"
        )));
    }
    let python = answer["python"].as_str().unwrap_or("python3");
    // The server names a program that this user is about to run.
    let server = answer[SERVER_USER].as_u64();
    if server != Some(0) && server != Some(nix::unistd::geteuid().as_raw().into()) {
        return Err(Failure::Refused(
            "the server runs neither as root nor as this user, and names no program to run".to_owned(),
        ));
    }
    let mut command = Command::new(python);
    command.args(["-m", "profiling.sampling", "attach", "-d", &seconds.to_string(), &pid.to_string()]);
    let status = command.status().map_err(|error| Failure::Refused(format!("{python}: {error}")))?;
    if status.success() { Ok(()) } else { Err(Failure::Refused(format!("{python} -m profiling.sampling: {status}"))) }
}

fn parsed(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_older_python_is_named_with_what_is_missing_and_the_busiest_process() {
        let processes = json!([{"pid": 10, "requests": 0}, {"pid": 11, "requests": 2}]);
        let answer = json!({"processes": processes, "version": "3.14", "python": "/nowhere"});
        let Err(Failure::Refused(why)) = run(&answer, 5) else { panic!("done") };
        assert!(
            why.contains("Python 3.14") && why.contains("comes with Python 3.15") && why.contains("--pid 11"),
            "{why}"
        );
        let answer = json!({"processes": processes, "version": "3.15", "python": "/nowhere/python"});
        let Err(Failure::Refused(why)) = run(&answer, 5) else { panic!("done") };
        assert!(why.starts_with("the server runs neither"), "{why}");
        let answer = json!({"processes": processes, "version": "3.15", "python": "/nowhere/python", SERVER_USER: 0});
        let Err(Failure::Refused(why)) = run(&answer, 5) else { panic!("done") };
        assert!(why.starts_with("/nowhere/python: "), "{why}");
        assert!(parsed("3.9") < Some(SINCE));
    }
}
