//! What this process takes of the machine.

use core::time::Duration;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::unistd::{SysconfVar, sysconf};

/// CPU time of all threads of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CpuUsage {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
}

/// Bytes of memory of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Now. Where it cannot be known, as in a root of its own without `/proc`, it is the most.
    pub(crate) resident: u64,
    /// At most, so far.
    pub(crate) most: u64,
}

impl CpuUsage {
    pub(super) fn now() -> Self {
        let time = |time: TimeVal| Duration::from_micros((time.tv_sec() * 1_000_000 + time.tv_usec()).unsigned_abs());
        getrusage(UsageWho::RUSAGE_SELF)
            .map(|usage| Self { user: time(usage.user_time()), system: time(usage.system_time()) })
            .unwrap_or_default()
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self { user: self.user.saturating_sub(before.user), system: self.system.saturating_sub(before.system) }
    }
}

impl Memory {
    pub(super) fn now() -> Self {
        // The kernel counts the peak now and then, so that it may lag behind.
        let peak = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss().unsigned_abs() * 1024);
        let resident = resident().unwrap_or(peak);
        Self { resident, most: peak.max(resident) }
    }
}

fn resident() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse::<u64>().ok()?;
    let size = sysconf(SysconfVar::PAGE_SIZE).ok()??;
    Some(pages * size.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_has_used_cpu_time() {
        let memory = Memory::now();
        assert!(memory.resident > 1 << 20 && memory.most >= memory.resident, "{memory:?}");
        let before = CpuUsage::now();
        while CpuUsage::now().since(before) == CpuUsage::default() {}
    }
}
