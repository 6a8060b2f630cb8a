//! The lost writes, as JSON and as CSV.
//!
//! Spreadsheets evaluate cells that look like formulas, and the name of a hero is arbitrary text.
//! Invariant of the CSV: no cell starts like a formula.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use csv::{Terminator, WriterBuilder};

use api_types::{LostRecord, LostWrite, LostWrites};
use gossip::Key;
use shared::{Entry, Value};

use crate::model::lost_writes::Lost;
use crate::model::tables::TypeTable;
use crate::model::view::View;
use crate::web::api::refusals::ReadingSince;
use crate::web::dispatch_handle::DispatchHandle;
use crate::web::error::Problem;
use crate::web::extract::parameters::Since;
use crate::web::render::lost_writes::name;
use crate::web::render::tables;
use crate::web::representation;

fn since(view: &View, since: u64) -> impl Iterator<Item = &Arc<Lost>> {
    view.lost.iter().filter(move |lost| lost.number > since)
}

/// Lost writes
///
/// Acknowledged writes that were overwritten everywhere by a write that had not seen them, or lost
/// with a bombed city. The last 1000 are kept.
#[utoipa::path(get, path = "/lost", tag = "cluster", params(Since), responses(
    (status = 200, description = "the lost writes after `since`, newest last", body = LostWrites),
    ReadingSince,
))]
pub(crate) async fn lost_writes(
    State(dispatch): State<DispatchHandle>,
    Since(number): Since,
) -> Result<Json<LostWrites>, Problem> {
    let view = dispatch.now().await?;
    Ok(Json(LostWrites {
        count: view.status.lost_writes,
        lost: lost_after(&view, number),
        records: records_after(&view, number),
    }))
}

/// Returns the lost writes with a higher number.
fn lost_after(view: &View, number: u64) -> Vec<LostWrite> {
    let of_heroes = since(view, number).filter(|lost| lost.key.table().is_none());
    of_heroes.map(|lost| representation::lost_write(lost, name(view, lost))).collect()
}

/// Returns the lost writes to the types with a higher number.
fn records_after(view: &View, number: u64) -> Vec<LostRecord> {
    let record = |lost: &Arc<Lost>| {
        let table = TypeTable::of(lost.key)?;
        Some(representation::lost_record(lost, table, name(view, lost)))
    };
    since(view, number).filter_map(record).collect()
}

/// Lost writes, for spreadsheets
///
/// The same as `/lost` as CSV (RFC 4180, with a byte order mark), with a header line. A cell that a spreadsheet would
/// evaluate as a formula is prefixed with `'`.
#[utoipa::path(
    get, path = "/lost.csv", tag = "cluster", params(Since),
    responses(
        (
            status = 200,
            description = "the lost writes after `since`, newest last",
            body = String,
            content_type = "text/csv",
        ),
        ReadingSince,
    )
)]
pub(crate) async fn lost_writes_csv(
    State(dispatch): State<DispatchHandle>,
    Since(number): Since,
) -> Result<Response, Problem> {
    let view = dispatch.now().await?;
    Ok(download(table(&view, number)))
}

fn download(csv: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"lost-writes.csv\""),
    ];
    (headers, csv).into_response()
}

/// The start of a file that is UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The columns that describe a write; used for the lost write and for its replacement.
const WRITE_COLUMNS: [&str; 8] =
    ["says", "location", "is_patrolling", "health", "wall_ms", "logical", "origin", "value"];

/// Returns the lost writes with a higher number as CSV (RFC 4180).
fn table(view: &View, number: u64) -> String {
    let columns = |prefix: &'static str| WRITE_COLUMNS.map(|column| format!("{prefix}_{column}"));
    let first = ["number", "hero", "name", "saved_at_ms", "found_at_ms"].map(str::to_owned);
    let mut records = vec![
        first.into_iter().chain(columns("wrote")).chain(columns("to")).collect::<Vec<String>>(),
    ];
    for lost in since(view, number) {
        let first = [
            lost.number.to_string(),
            lost.key.to_string(),
            name(view, lost),
            lost.saved.0.to_string(),
            lost.found.0.to_string(),
        ];
        let writes = [Some(&*lost.entry), lost.to.as_deref()];
        let writes = writes.into_iter().flat_map(|entry| fields(lost.key, entry));
        records.push(first.into_iter().chain(writes).collect());
    }
    written(&records)
}

/// Returns records as CSV (RFC 4180). Without the byte order mark, Excel would not read UTF-8.
fn written(records: &[Vec<String>]) -> String {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    for record in records {
        let record = record.iter().map(|field| cell(field));
        writer.write_record(record).expect("records of equal width are written to memory");
    }
    let bytes = writer.into_inner().expect("memory accepts everything");
    format!("{BYTE_ORDER_MARK}{}", String::from_utf8(bytes).expect("the fields are UTF-8"))
}

/// Returns the fields of a write in the order of [`WRITE_COLUMNS`]; empty if there is none.
fn fields(key: Key, entry: Option<&Entry>) -> [String; 8] {
    let Some(entry) = entry else { return [const { String::new() }; 8] };
    let [location, is_patrolling, health] =
        entry.live().map_or([const { String::new() }; 3], |hero| {
            [hero.location.to_string(), hero.is_patrolling.to_string(), hero.health.to_string()]
        });
    let word = match entry.value {
        Value::Live(_) => "hero",
        Value::Record(_) => "record",
        Value::Tombstone | Value::Unset => "tombstone",
    };
    let stamp = entry.stamp;
    let [wall, logical] = [stamp.hlc.wall.0.to_string(), stamp.hlc.logical.to_string()];
    let origin = stamp.origin.to_string();
    let value = TypeTable::of(key).map(|table| tables::written_in_full(table, entry));
    let value = value.unwrap_or_default();
    [word.to_owned(), location, is_patrolling, health, wall, logical, origin, value]
}

/// Returns the text of one cell, which never starts like a formula (OWASP, CSV injection). Spreadsheets
/// take full-width characters for plain ones.
fn cell(field: &str) -> String {
    let is_formula =
        field.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if is_formula { format!("'{field}") } else { field.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Fixture, dead, id, live, stamp};

    #[test]
    fn csv_cell_is_quoted_if_needed_and_never_a_formula() {
        for (field, expected) in [
            ("Ada", "Ada"),
            ("", ""),
            ("Ada, the first", "\"Ada, the first\""),
            ("a \"b\"", "\"a \"\"b\"\"\""),
            ("a\nb", "\"a\nb\""),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "\"'\r=1\""),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            ("'=1", "'=1"),
            ("a=b", "a=b"),
            ("\n=1", "\"'\n=1\""),
            ("＝1+1", "'＝1+1"),
            ("＠SUM(A1)", "'＠SUM(A1)"),
            ("12", "12"),
        ] {
            let csv = written(&[vec![field.to_owned(), "1".to_owned()]]);
            assert_eq!(csv, format!("\u{feff}{expected},1\r\n"), "{field:?}");
        }
    }

    #[test]
    fn csv_is_served_as_an_attachment() {
        let headers = download(String::new()).headers().clone();
        let actual = [header::CONTENT_TYPE, header::CONTENT_DISPOSITION]
            .map(|name| headers[name].to_str().unwrap().to_owned());
        assert_eq!(
            actual,
            ["text/csv; charset=utf-8; header=present", "attachment; filename=\"lost-writes.csv\""]
        );
    }

    #[test]
    fn csv_has_a_header_and_one_line_of_equal_width_per_write() {
        let ours = live(stamp("gotham", 9_000), 84, None);
        let tombstone = dead(stamp("capitol", 8_000), None);
        let csv = table(
            &Fixture::new().lost(1, &ours, Some(&tombstone)).lost(2, &tombstone, None).view,
            0,
        );
        let lines: Vec<&str> = csv.split_terminator("\r\n").collect();
        assert_eq!(
            lines[0],
            "\u{feff}number,hero,name,saved_at_ms,found_at_ms,\
             wrote_says,wrote_location,wrote_is_patrolling,wrote_health,\
             wrote_wall_ms,wrote_logical,wrote_origin,wrote_value,\
             to_says,to_location,to_is_patrolling,to_health,to_wall_ms,to_logical,to_origin,to_value"
        );
        let first = id(1);
        assert_eq!(
            lines[1],
            format!(
                "1,{first},Silver Kestrel,1789994490000,1789994500000,\
                 hero,gotham,true,84,1789994491000,0,gotham/1789990000000,,\
                 tombstone,,,,1789994492000,0,capitol/1789990000000,"
            )
        );
        assert!(
            lines[2].ends_with("tombstone,,,,1789994492000,0,capitol/1789990000000,,,,,,,,,"),
            "{}",
            lines[2]
        );
        assert!(
            lines.len() == 3
                && csv.ends_with("\r\n")
                && lines.iter().all(|line| line.split(',').count() == 21),
            "{csv}"
        );
    }

    #[test]
    fn json_has_the_lost_write_its_replacement_and_respects_since() {
        let ours = live(stamp("gotham", 9_000), 84, None);
        let tombstone = dead(stamp("capitol", 8_000), None);
        let fixture = Fixture::new().lost(1, &ours, Some(&tombstone)).lost(1, &tombstone, None);
        let actual = serde_json::to_value(lost_after(&fixture.view, 0)).unwrap();
        let stamp = serde_json::json!({
            "wall_ms": 1_789_994_491_000_u64, "logical": 0, "origin": "gotham/1789990000000",
        });
        let hero = serde_json::json!({
            "id": id(1).to_string(), "name": "Silver Kestrel", "location": "gotham",
            "is_patrolling": true, "health": 84, "stamp": stamp,
        });
        let expected = serde_json::json!({
            "number": 1, "hero": id(1).to_string(), "name": "Silver Kestrel",
            "wrote": hero, "stamp": stamp,
            "saved_at_ms": 1_789_994_490_000_u64, "found_at_ms": 1_789_994_500_000_u64,
            "to": "tombstone", "under": [],
        });
        assert_eq!(actual[0], expected);
        assert_eq!(
            (&actual[1]["wrote"], &actual[1]["to"]),
            (&serde_json::json!("tombstone"), &serde_json::Value::Null)
        );
        assert_eq!(since(&fixture.view, 1).map(|lost| lost.number).collect::<Vec<_>>(), [2]);
    }
}
