//! The memory that a node may use. The default limits of its connections, pages and heroes follow
//! from it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// The least and the most memory that can be given.
const SIZE_MIN: u64 = 64 * MIB;
const SIZE_MAX: u64 = 1 << 40;
/// The share of the machine's memory that a node may use without a limit of its own: four nodes run
/// on one machine.
const MACHINE_SHARE: u64 = 4;
/// The least that is assumed, also if the size of the machine's memory is not known.
const ASSUMED_MIN: u64 = 512 * MIB;
/// From here on, limits are unlimited: cgroup v1 has no other value for that.
const UNLIMITED: u64 = 1 << 60;

/// An amount of memory in bytes: `512MiB`, `2G`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemorySize(pub u64);

impl FromStr for MemorySize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = match &text[digits.len()..] {
            "" | "B" => Some(1),
            "K" | "Ki" | "KiB" => Some(KIB),
            "M" | "Mi" | "MiB" => Some(MIB),
            "G" | "Gi" | "GiB" => Some(GIB),
            _ => None,
        };
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse::<u64>().ok().filter(|_| is_number);
        let size = number.zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
        size.filter(|size| (SIZE_MIN..=SIZE_MAX).contains(size)).map(Self).ok_or_else(|| {
            "expected a size from 64MiB to 1024GiB, with the unit KiB, MiB or GiB".to_owned()
        })
    }
}

impl fmt::Display for MemorySize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, name) = if self.0.is_multiple_of(GIB) { (GIB, "GiB") } else { (MIB, "MiB") };
        write!(f, "{}{name}", self.0.div_ceil(unit))
    }
}

/// The memory that a node may use, and the source of that number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The size.
    pub size: MemorySize,
    /// A description of the source, for the log.
    pub source: &'static str,
}

impl Budget {
    /// Returns the given size, or else the limit of this process's cgroup, or else a share of the
    /// machine's memory.
    #[must_use]
    pub fn find(given: Option<MemorySize>) -> Self {
        if let Some(size) = given {
            return Self { size, source: "--memory-max" };
        }
        let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
        // A limit above the machine's memory limits nothing.
        let limit = cgroup_limit(Path::new("/"))
            .filter(|limit| machine.is_none_or(|machine| *limit <= machine));
        if let Some(limit) = limit {
            let size = MemorySize(limit.max(SIZE_MIN));
            return Self { size, source: "the limit of the cgroup" };
        }
        let share = machine.unwrap_or_default() / MACHINE_SHARE;
        Self {
            size: MemorySize(share.max(ASSUMED_MIN)),
            source: "a quarter of the machine's memory, at least 512MiB",
        }
    }
}

/// Returns the smallest memory limit of this process's cgroup and those around it. `root` is `/`,
/// except in tests.
fn cgroup_limit(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let limits = groups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let (mount, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            v1 if v1.split(',').any(|controller| controller == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let mount = root.join(mount);
        let group = mount.join(path.trim_start_matches('/'));
        // A container may see its own cgroup as the root of the mount, whatever the path says.
        let around = group.ancestors().take_while(|path| path.starts_with(&mount));
        around.map(Path::to_owned).filter_map(|path: PathBuf| limit(&path.join(file))).min()
    });
    limits.min()
}

/// Returns the limit in this file; `None` if there is none.
fn limit(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.trim().parse().ok().filter(|limit| *limit < UNLIMITED)
}

/// Returns the size of the machine's memory from `/proc/meminfo`.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * KIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_has_a_unit_and_bounds() {
        for (text, size) in [
            ("512MiB", 512 * MIB),
            ("512M", 512 * MIB),
            ("2Gi", 2 * GIB),
            ("1048576KiB", GIB),
            ("67108864", SIZE_MIN),
        ] {
            assert_eq!(text.parse(), Ok(MemorySize(size)), "{text}");
        }
        for text in [
            "",
            "512",
            "MiB",
            "1MiB",
            "-1GiB",
            "+1GiB",
            "1.5GiB",
            "1 GiB",
            "1TiB",
            "1g",
            "99999999999999999999G",
            "18446744073709551615G",
            "\u{664}GiB",
        ] {
            assert!(text.parse::<MemorySize>().is_err(), "{text}");
        }
        for (size, text) in [(512 * MIB, "512MiB"), (2 * GIB, "2GiB"), (GIB + MIB + 1, "1026MiB")] {
            assert_eq!(MemorySize(size).to_string(), text);
        }
    }

    #[test]
    fn limit_is_the_smallest_of_the_cgroups_around() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(cgroup_limit(root.path()), None);
        write("proc/self/cgroup", "0::/system.slice/superhero.service\n");
        assert_eq!(cgroup_limit(root.path()), None);
        write("sys/fs/cgroup/system.slice/superhero.service/memory.max", "max\n");
        assert_eq!(cgroup_limit(root.path()), None);
        write("sys/fs/cgroup/system.slice/memory.max", "536870912\n");
        assert_eq!(cgroup_limit(root.path()), Some(512 * MIB));
        write("sys/fs/cgroup/memory.max", "268435456\n");
        assert_eq!(cgroup_limit(root.path()), Some(256 * MIB));
        write("proc/self/cgroup", "4:cpu,memory:/docker/7\n1:name=systemd:/\n");
        assert_eq!(cgroup_limit(root.path()), None);
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(cgroup_limit(root.path()), None);
        write("sys/fs/cgroup/memory/docker/7/memory.limit_in_bytes", "1073741824\n");
        assert_eq!(cgroup_limit(root.path()), Some(GIB));
    }

    #[test]
    fn memory_of_the_machine_is_read() {
        assert_eq!(total("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16 * MIB));
        assert_eq!(total("MemFree: 1 kB\n"), None);
    }
}
