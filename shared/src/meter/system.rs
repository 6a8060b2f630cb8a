//! The resource usage of the process, under the standard Prometheus names. Without `/proc` the
//! values stay 0.

/// Updates the metrics.
#[cfg(target_os = "linux")]
pub(super) fn measure() {
    if let Err(error) = linux::measure() {
        tracing::debug!("cannot read the resource usage of this process: {error}");
    }
}

/// Does nothing, since this system has no `/proc`.
#[cfg(not(target_os = "linux"))]
pub(super) fn measure() {}

#[cfg(target_os = "linux")]
mod linux {
    use procfs::ProcResult;
    use procfs::process::{LimitValue, Process};

    use crate::meter::{counter, gauge, node};

    #[expect(clippy::cast_precision_loss, reason = "sizes of a process are below 2^53")]
    pub(super) fn measure() -> ProcResult<()> {
        let process = Process::myself()?;
        let stat = process.stat()?;
        let ticks = procfs::ticks_per_second();
        gauge!(node::RESIDENT.name).set((stat.rss * procfs::page_size()) as f64);
        gauge!(node::VIRTUAL.name).set(stat.vsize as f64);
        gauge!(node::THREADS.name).set(stat.num_threads as f64);
        gauge!(node::OPEN_FDS.name).set(process.fd_count()? as f64);
        if let LimitValue::Value(most) = process.limits()?.max_open_files.soft_limit {
            gauge!(node::MAX_FDS.name).set(most as f64);
        }
        // Counters are integers, hence whole seconds.
        counter!(node::CPU.name).absolute((stat.utime + stat.stime) / ticks);
        let booted = procfs::boot_time_secs()?;
        gauge!(node::PROCESS_START.name).set(booted as f64 + stat.starttime as f64 / ticks as f64);
        Ok(())
    }
}
