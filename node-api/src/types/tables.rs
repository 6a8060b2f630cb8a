//! Tables of keys and JSON values.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;

use api_types::{
    BatchDone, BatchRequest, TableEntries, TableEntry, TableSize, Tables, ValueRequest,
};
use gossip::types::registers::{Batch, Register};
use gossip::types::request::Request;
use gossip::types::snapshot::Snapshot;

use crate::body::JsonBody;
use crate::error::Problem;
use crate::idempotency::IdempotencyKey;
use crate::name;
use crate::parameters::Query;
use crate::types::refusals::{Deleting, Listing, ReadingKey, Scanning, Writing};
use crate::types::{Reply, Types, bytes_of, path_of_names, stamp_of, value_of};

path_of_names! {
    TablePath: "table" "table";
    KeyPath: "table" "table" "key" "key";
}

/// The prefix in the query.
pub(crate) enum Prefix {}

crate::described! {
    Prefix: Query "prefix", "only keys that start with this text",
        { "type": "string", "maxLength": 100 };
}

/// All tables
///
/// Those that have keys, sorted by name.
#[utoipa::path(get, path = "/tables", tag = "tables", responses(
    (status = 200, description = "the tables", body = Tables),
    Listing,
))]
pub(crate) async fn tables(State(types): State<Types>) -> Result<Json<Tables>, Problem> {
    let tables = types.snapshot()?.tables().into_iter();
    Ok(Json(Tables { tables: tables.map(|(name, keys)| TableSize { name, keys }).collect() }))
}

/// One table
///
/// Its keys with their values, sorted by key. A table without keys is the same as one that never
/// had any.
#[utoipa::path(
    get, path = "/tables/{table}", tag = "tables", params(TablePath, Prefix),
    responses((status = 200, description = "the entries", body = TableEntries), Scanning)
)]
pub(crate) async fn table(
    State(types): State<Types>,
    path: TablePath,
    query: Query,
) -> Result<Json<TableEntries>, Problem> {
    let [table] = path.into_names();
    let prefix = name::composed(query.get("prefix")?.unwrap_or_default());
    if prefix.chars().count() > name::NAME_CHARS_MAX {
        let detail = format!("prefix must have at most {} characters", name::NAME_CHARS_MAX);
        return Err(Problem::malformed("invalid_query", detail));
    }
    let entries = types.snapshot()?.table(&table, &prefix).into_iter();
    let entries = entries.map(|(key, register)| described(key, &register));
    Ok(Json(TableEntries { entries: entries.collect() }))
}

/// One key
#[utoipa::path(
    get, path = "/tables/{table}/{key}", tag = "tables", params(KeyPath),
    responses((status = 200, description = "the entry", body = TableEntry), ReadingKey)
)]
pub(crate) async fn entry(
    State(types): State<Types>,
    path: KeyPath,
) -> Result<Json<TableEntry>, Problem> {
    let [table, key] = path.into_names();
    held(&types.snapshot()?, &table, &key).map(|register| Json(described(key, &register)))
}

/// Set a key
///
/// The last write to a key wins at every node.
#[utoipa::path(
    put, path = "/tables/{table}/{key}", tag = "tables", params(KeyPath, IdempotencyKey),
    request_body = ValueRequest,
    responses(
        (status = 200, description = "the key had a value; the entry", body = TableEntry),
        (status = 201, description = "the key had no value; the entry", body = TableEntry),
        Writing,
    )
)]
pub(crate) async fn put(
    State(types): State<Types>,
    path: KeyPath,
    key: IdempotencyKey,
    JsonBody(ValueRequest { value }): JsonBody<ValueRequest>,
) -> Result<Reply, Problem> {
    let [table, name] = path.into_names();
    let put = BTreeMap::from([(name.clone(), bytes_of(&value)?)]);
    let change = ("put", &table, &put);
    let asked = types.clone();
    let execute = {
        let (table, put) = (table.clone(), put.clone());
        async move {
            let had_value = asked.joined()?.register(&table, &name).is_some();
            let batch = Batch { put, delete: BTreeSet::new() };
            asked.ask(Request::Write { table: table.clone(), batch }).await?;
            let status = if had_value { StatusCode::OK } else { StatusCode::CREATED };
            // Absent only if it was deleted again meanwhile.
            match asked.snapshot()?.register(&table, &name) {
                Some(register) => Ok(Reply::new(status, &described(name, &register))),
                None => Ok(Reply::new(status, &json!({ "key": name, "value": value }))),
            }
        }
    };
    types.once(key, &change, execute).await
}

/// Delete a key
///
/// A deleted key may be set again.
#[utoipa::path(
    delete, path = "/tables/{table}/{key}", tag = "tables", params(KeyPath, IdempotencyKey),
    responses((status = 204, description = "the key is deleted"), Deleting)
)]
pub(crate) async fn delete(
    State(types): State<Types>,
    path: KeyPath,
    key: IdempotencyKey,
) -> Result<Reply, Problem> {
    let [table, name] = path.into_names();
    let change = ("delete", table.clone(), name.clone());
    let asked = types.clone();
    let execute = async move {
        held(&asked.joined()?, &table, &name)?;
        let batch = Batch { put: BTreeMap::new(), delete: [name].into() };
        asked.ask(Request::Write { table, batch }).await?;
        Ok(Reply::empty())
    };
    types.once(key, &change, execute).await
}

/// Set and delete several keys
///
/// All at once: no node shows a part of the changes. Absent keys to delete are ignored.
#[utoipa::path(
    post, path = "/tables/{table}", tag = "tables", params(TablePath, IdempotencyKey),
    request_body = BatchRequest,
    responses((status = 200, description = "all changes were made", body = BatchDone), Writing)
)]
pub(crate) async fn batch(
    State(types): State<Types>,
    path: TablePath,
    key: IdempotencyKey,
    JsonBody(batch): JsonBody<BatchRequest>,
) -> Result<Reply, Problem> {
    let [table] = path.into_names();
    let batch = parsed(batch)?;
    let done = BatchDone { put: batch.put.len(), deleted: batch.delete.len() };
    let request = Request::Write { table, batch };
    let (change, asked) = (request.clone(), types.clone());
    let execute = async move {
        asked.joined()?;
        asked.ask(request).await?;
        Ok(Reply::new(StatusCode::OK, &done))
    };
    types.once(key, &change, execute).await
}

/// Returns the changes with their keys composed. A key may be given once.
fn parsed(BatchRequest { put, delete }: BatchRequest) -> Result<Batch, Problem> {
    let mut given = BTreeSet::new();
    let mut unique = |key: &str| {
        let key = name::parse("key", key)?;
        if given.insert(key.clone()) {
            return Ok(key);
        }
        let detail = format!("the key {key:?} is given twice; nothing was changed");
        Err(Problem::not_allowed("invalid_field", detail))
    };
    let put: Result<BTreeMap<_, _>, Problem> =
        put.0.iter().map(|(key, value)| Ok((unique(key)?, bytes_of(value)?))).collect();
    let put = put?;
    let delete: Result<BTreeSet<String>, Problem> = delete.iter().map(|key| unique(key)).collect();
    Ok(Batch { put, delete: delete? })
}

fn held(snapshot: &Snapshot, table: &str, key: &str) -> Result<Register, Problem> {
    snapshot.register(table, key).ok_or_else(|| {
        let detail = format!("the table {table:?} has no key {key:?}; nothing was changed");
        Problem::not_found("unknown_key", detail)
    })
}

fn described(key: String, register: &Register) -> TableEntry {
    TableEntry { key, value: value_of(&register.value), stamp: stamp_of(register.stamp) }
}
