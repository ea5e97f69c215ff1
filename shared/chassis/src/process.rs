//! What a process costs: the standard `process_*` instruments, read when they are asked for.
//!
//! Knows: the files of `/proc/self`. Never: another process. Where there is no `/proc`, only the start is shown.

use std::fmt;
use std::fs;
use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::clock;

/// The unit of times in `/proc`, in milliseconds: Linux shows a hundredth of a second on every machine we build for.
const TICK_MS: u64 = 10;
/// Places of the fields of `/proc/self/stat` behind the program's name: time in the program, time in the kernel.
const CPU_FIELDS: (usize, usize) = (11, 12);

/// This process, from when the collector was made.
#[derive(Debug)]
pub(crate) struct Process {
    started_at: DateTime<Utc>,
}

impl Default for Process {
    fn default() -> Self {
        Self { started_at: clock::now() }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let started = seconds(u64::try_from(self.started_at.timestamp_millis()).unwrap_or(0));
        let help = "When the process started, in seconds since 1970";
        show(&mut encoder, "process_start_time", help, Some(&Unit::Seconds), &ConstGauge::new(started))?;
        if let Some(ms) = read("/proc/self/stat").and_then(|stat| cpu_ms(&stat)) {
            let (name, help) = ("process_cpu", "Processor time used, in the program and in the kernel");
            show(&mut encoder, name, help, Some(&Unit::Seconds), &ConstCounter::new(seconds(ms)))?;
        }
        if let Some(bytes) = read("/proc/self/status").and_then(|status| resident_bytes(&status)) {
            let (name, help) = ("process_resident_memory", "Memory that the process holds");
            show(&mut encoder, name, help, Some(&Unit::Bytes), &ConstGauge::new(bytes))?;
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            let open = u64::try_from(files.count()).unwrap_or(u64::MAX);
            show(&mut encoder, "process_open_fds", "Open files and sockets", None, &ConstGauge::new(open))?;
        }
        if let Some(most) = read("/proc/self/limits").and_then(|limits| files_max(&limits)) {
            let help = "Files and sockets that may be open at once";
            show(&mut encoder, "process_max_fds", help, None, &ConstGauge::new(most))?;
        }
        Ok(())
    }
}

fn show(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    metric: &impl EncodeMetric,
) -> fmt::Result {
    metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn seconds(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}

/// Processor time in `/proc/self/stat`. The program's name, in brackets, may hold spaces and brackets of its own.
fn cpu_ms(stat: &str) -> Option<u64> {
    let (_, behind) = stat.rsplit_once(')')?;
    let field = |at| behind.split_whitespace().nth(at)?.parse::<u64>().ok();
    Some((field(CPU_FIELDS.0)? + field(CPU_FIELDS.1)?) * TICK_MS)
}

/// `VmRSS:     1234 kB`
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1_024)
}

/// `Max open files            1024                 4096                 files`; none when there is no limit.
fn files_max(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 100 0 0 0 150 25 0 0 20 0 4 0 100 1000 200";
        assert_eq!(cpu_ms(stat), Some(1_750));
        assert_eq!(cpu_ms("odd"), None);
    }

    #[test]
    fn memory_is_told_in_bytes() {
        assert_eq!(resident_bytes("VmSize:\t  9 kB\nVmRSS:\t    12 kB\n"), Some(12_288));
        assert_eq!(resident_bytes("VmSize:\t  9 kB\n"), None);
    }

    #[test]
    fn no_limit_is_no_number() {
        assert_eq!(files_max("Max open files            1024     4096     files\n"), Some(1_024));
        assert_eq!(files_max("Max open files            unlimited unlimited files\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_shows_all_of_them() {
        let registry = crate::exposition::registry("test", "1");
        let (_, text) = crate::exposition::answer(&registry, None).unwrap();
        for name in [
            "process_start_time_seconds",
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_open_fds",
            "process_max_fds",
        ] {
            assert!(text.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}: {text}");
        }
    }
}
