//! The page in a real browser under load: long tasks, and the latency of frames.

use std::thread::sleep;
use std::time::Duration;

use benches::table::{Spread, budgeted, kb, line, part};
use cluster_tests::Browser;

use crate::fixture::Fixture;
use crate::load::{Load, Where};

/// The settling time, and the duration of a measurement.
const SETTLE: Duration = Duration::from_secs(5);
const MEASUREMENT: Duration = Duration::from_secs(30);

/// A script that records the long tasks reported by the browser, and the times of each frame.
const LISTEN: &str = r#"
globalThis.measured = { tasks: [], frames: [] };
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) measured.tasks.push(duration);
}).observe({ type: 'longtask', buffered: true });
const own = Object.getOwnPropertyDescriptor(WebSocket.prototype, 'onmessage');
Object.defineProperty(WebSocket.prototype, 'onmessage', {
  get: own.get,
  set(take) {
    own.set.call(this, (event) => {
      take(event);
      if (!event.data.startsWith('{"t":"d"')) return;
      const frame = { size: event.data.length, handled: performance.now() - event.timeStamp };
      measured.frames.push(frame);
      requestAnimationFrame(() => setTimeout(() => { frame.painted = performance.now() - event.timeStamp; }));
    });
  },
});"#;

pub(crate) fn measure(fixture: &Fixture) {
    let address = fixture.cluster.address("dispatch");
    let browser = Browser::start();
    browser.run_first(LISTEN);
    browser.resize(1440, 900);
    for (spread, title) in [
        (Where::Anywhere, "none of them on the page"),
        (Where::OnThePage, "25 of them on the page"),
    ] {
        part(&format!("Browser, 1440 px, 100 heroes reassigned at a time, {title}"));
        browser.open(&fixture.cluster.api.url());
        browser.wait_text("#contact", "Live", |text| text == "Live");
        let load = Load::start(&fixture.runtime, address, &fixture.heroes, spread);
        sleep(SETTLE);
        let opened =
            browser.evaluate("return Math.max(0, ...measured.tasks)").as_f64().unwrap_or(0.0);
        let _ = browser.evaluate("measured.tasks.length = measured.frames.length = 0");
        sleep(MEASUREMENT);
        let measured = browser
            .evaluate("return { ...measured, elements: document.querySelectorAll('*').length }");
        line("writes saved", &load.end());
        let numbers = |list: &str, field: Option<&str>| {
            let list = measured[list].as_array().into_iter().flatten();
            Spread::of(list.filter_map(|one| field.map_or(one, |field| &one[field]).as_f64()))
        };
        let (tasks, sizes) = (numbers("tasks", None), numbers("frames", Some("size")));
        assert!(sizes.count() > 0, "frames reach the page");
        let long = format!("{}, longest {:.0} ms", tasks.count(), tasks.at(1.0));
        // 50 ms is the threshold of the Long Tasks API.
        budgeted(
            &format!("tasks longer than 50 ms in {} s", MEASUREMENT.as_secs()),
            &long,
            "none",
            tasks.count() == 0,
        );
        line("longest long task while the page opened, if any", &format!("{opened:.0} ms"));
        let seconds = MEASUREMENT.as_secs_f64();
        line("frames", &format!("{:.1} per second", sizes.count() as f64 / seconds));
        line("characters in frames", &format!("{} per second", kb(sizes.sum() / seconds)));
        line(
            "characters per frame",
            &format!("p50 {}, max {}", kb(sizes.at(0.5)), kb(sizes.at(1.0))),
        );
        line(
            "from frame arrival until applied to the page",
            &numbers("frames", Some("handled")).ms(),
        );
        line("from frame arrival until painted", &numbers("frames", Some("painted")).ms());
        line("elements on the page", &measured["elements"].to_string());
    }
}
