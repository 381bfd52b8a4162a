//! Settings of the machine that cost a server speed or connections.

use crate::runtime::fs;
use std::path::Path;

/// One setting: a short name, the file that holds it, and what is wrong with its value, if anything is.
type Check = (&'static str, &'static str, fn(&str) -> Option<&'static str>);

const CHECKS: [Check; 3] = [
    ("slow-clocksource", "/sys/devices/system/clocksource/clocksource0/current_clocksource", |value| {
        matches!(value, "hpet" | "acpi_pm").then_some(
            "The system uses a slow clock source: reading the time, which happens with every batch of \
             requests, takes a system call. Consider 'tsc' or 'kvm-clock'.",
        )
    }),
    ("somaxconn", "/proc/sys/net/core/somaxconn", |value| {
        value.parse().is_ok_and(|limit: u64| limit < 511).then_some(
            "The kernel queues fewer new connections than the default tcp-backlog of 511: raise \
             net.core.somaxconn.",
        )
    }),
    ("THP", "/sys/kernel/mm/transparent_hugepage/enabled", |value| {
        value.contains("[always]").then_some(
            "Transparent huge pages are always on, which makes memory use grow: set \
             /sys/kernel/mm/transparent_hugepage/enabled to 'madvise' or 'never'.",
        )
    }),
];

/// Whether the system gives huge pages to whoever does not refuse them.
pub fn has_huge_pages() -> bool {
    let refusal = CHECKS.iter().find(|(name, ..)| *name == "THP");
    refusal.is_some_and(|(_, file, judge)| {
        fs::read_to_string(Path::new(file)).is_ok_and(|value| judge(&value).is_some())
    })
}

/// Looks at each setting and tells what it finds. Returns whether all is well.
pub fn check(tell: &mut dyn FnMut(String)) -> bool {
    let mut fine = true;
    for (name, file, judge) in CHECKS {
        match fs::read_to_string(Path::new(file)) {
            Err(_) => tell(format!("[{name}]...skipped")),
            Ok(value) => match judge(value.trim()) {
                None => tell(format!("[{name}]...OK")),
                Some(advice) => {
                    tell(format!("[{name}]...WARNING:\n{advice}"));
                    fine = false;
                }
            },
        }
    }
    fine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_values_are_told_from_good_ones() {
        for (name, good, bad) in [
            ("slow-clocksource", "tsc", "hpet"),
            ("somaxconn", "4096", "128"),
            ("THP", "always [madvise] never", "[always] madvise never"),
        ] {
            let (_, _, judge) = CHECKS.iter().find(|check| check.0 == name).unwrap();
            assert_eq!(judge(good), None);
            assert!(judge(bad).is_some());
        }
    }
}
