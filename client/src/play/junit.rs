//! JUnit reports: one suite per scenario, one test case per step.
//!
//! Invariant: the document is valid XML, whatever the texts contain.

use std::io;
use std::time::Duration;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use scenario::{Outcome, Report, StepReport};

/// Returns reports as a JUnit document.
pub(super) fn junit(reports: &[Report]) -> String {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    write(&mut writer, reports).expect("writing to memory does not fail");
    let mut text = String::from_utf8(writer.into_inner()).expect("the writer emits UTF-8");
    text.push('\n');
    text
}

fn write(writer: &mut Writer<Vec<u8>>, reports: &[Report]) -> io::Result<()> {
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let cases =
        |outcome| reports.iter().map(|report| count(report, outcome)).sum::<usize>().to_string();
    let tests: usize = reports
        .iter()
        .map(|report| report.steps.len() + usize::from(report.failure.is_some()))
        .sum();
    let suites = writer.create_element("testsuites").with_attributes([
        ("name", "superhero"),
        ("tests", tests.to_string().as_str()),
        ("failures", cases(Some(Outcome::Failed)).as_str()),
        ("skipped", cases(Some(Outcome::Skipped)).as_str()),
    ]);
    suites.write_inner_content(|writer| {
        reports.iter().try_for_each(|report| suite(writer, report))
    })?;
    Ok(())
}

/// Returns the number of cases with this outcome. A failure during setup or cleanup counts as one
/// failed case.
fn count(report: &Report, outcome: Option<Outcome>) -> usize {
    let around = usize::from(report.failure.is_some() && outcome == Some(Outcome::Failed));
    around + report.steps.iter().filter(|step| Some(step.outcome) == outcome).count()
}

fn suite(writer: &mut Writer<Vec<u8>>, report: &Report) -> io::Result<()> {
    let suite = writer.create_element("testsuite").with_attributes([
        ("name", clean(&report.name).as_str()),
        (
            "tests",
            (report.steps.len() + usize::from(report.failure.is_some())).to_string().as_str(),
        ),
        ("failures", count(report, Some(Outcome::Failed)).to_string().as_str()),
        ("errors", "0"),
        ("skipped", count(report, Some(Outcome::Skipped)).to_string().as_str()),
        ("time", seconds(report.took).as_str()),
    ]);
    suite.write_inner_content(|writer| {
        for (step, number) in report.steps.iter().zip(1..) {
            case(writer, &report.name, number, step)?;
        }
        if let Some(failure) = &report.failure {
            let around = StepReport {
                text: "setup and cleanup".into(),
                outcome: Outcome::Failed,
                detail: failure.clone(),
                took: Duration::ZERO,
            };
            case(writer, &report.name, report.steps.len() + 1, &around)?;
        }
        Ok(())
    })?;
    Ok(())
}

fn case(
    writer: &mut Writer<Vec<u8>>,
    scenario: &str,
    number: usize,
    step: &StepReport,
) -> io::Result<()> {
    let name = format!("{number}. {}", clean(&step.text));
    let case = writer.create_element("testcase").with_attributes([
        ("classname", clean(scenario).as_str()),
        ("name", name.as_str()),
        ("time", seconds(step.took).as_str()),
    ]);
    let detail = clean(&step.detail);
    match step.outcome {
        Outcome::Passed if detail.is_empty() => case.write_empty()?,
        Outcome::Passed => case.write_inner_content(|writer| {
            writer
                .create_element("system-out")
                .write_text_content(BytesText::new(&detail))
                .map(drop)
        })?,
        Outcome::Failed => case.write_inner_content(|writer| {
            let failure =
                writer.create_element("failure").with_attribute(("message", detail.as_str()));
            failure.write_text_content(BytesText::new(&detail)).map(drop)
        })?,
        Outcome::Skipped => case.write_inner_content(|writer| {
            writer.create_element("skipped").write_empty().map(drop)
        })?,
    };
    Ok(())
}

fn seconds(span: Duration) -> String {
    format!("{:.3}", span.as_secs_f64())
}

/// Returns the text with each character that XML 1.0 cannot represent replaced by U+FFFD.
fn clean(text: &str) -> String {
    text.chars()
        .map(
            |c| if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') { '\u{fffd}' } else { c },
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_counts_its_cases_and_escapes_its_texts() {
        let step = |outcome, detail: &str| StepReport {
            text: "assign <Ada> & \"Bob\"".into(),
            outcome,
            detail: detail.into(),
            took: Duration::from_millis(1_500),
        };
        let steps = vec![
            step(Outcome::Passed, ""),
            step(Outcome::Failed, "a < b & \u{1b}[2J ]]>"),
            step(Outcome::Skipped, ""),
        ];
        let report = Report {
            name: "x\"y".into(),
            title: "t".into(),
            steps,
            failure: Some("gone".into()),
            verdict: None,
            took: Duration::from_secs(2),
        };
        let text = junit(&[report]);
        for part in [
            r#"<testsuites name="superhero" tests="4" failures="2" skipped="1">"#,
            r#"<testsuite name="x&quot;y" tests="4" failures="2" errors="0" skipped="1" time="2.000">"#,
            r#"name="1. assign &lt;Ada&gt; &amp; &quot;Bob&quot;" time="1.500"/>"#,
            "a &lt; b &amp; \u{fffd}[2J ]]&gt;</failure>",
            "<skipped/>",
            ">gone</failure>",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains('\u{1b}'));
    }
}
