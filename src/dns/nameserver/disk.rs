//! A zone's file: JSON, written whole before anybody is told of the zone in it.
//!
//! Its format is `{"format": 1, "zone", "records": [{"name", "type", "ttl", "values"}]}`.

use std::path::Path;

use hickory_proto::rr::{Name, RecordType};
use serde_json::{Value, json};

use super::error::Error;
use super::limits;
use super::zone::{RrSet, Zone};
use crate::files::{read_up_to, write_whole};
use crate::net::record;

const FORMAT: u64 = 1;

/// The zone in the file, if there is one.
pub(super) fn read(path: &Path, origin: &Name) -> Result<Option<Zone>, Error> {
    let file = |source| Error::File { path: path.to_owned(), doing: "read", source };
    let Some(content) = read_up_to(path, limits::FILE).map_err(file)? else { return Ok(None) };
    let wrong = |why| Error::NotAZone { path: path.to_owned(), why };
    let zone = from_json(&content).map_err(wrong)?;
    if zone.origin() != origin {
        return Err(wrong(format!("it is the zone {}", zone.origin())));
    }
    Ok(Some(zone))
}

/// Writes it so that a crash leaves the old file or the new one.
pub(super) fn write(path: &Path, zone: &Zone) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    write_whole(path, &to_json(zone))
}

/// The content of a zone's file.
pub fn to_json(zone: &Zone) -> Vec<u8> {
    let sets = zone.nodes().iter().flat_map(|(name, node)| {
        node.iter().map(move |(kind, set)| {
            json!({
                "name": name.to_ascii(),
                "type": record::type_name(*kind),
                "ttl": set.ttl,
                "values": set.data.iter().map(record::shown).collect::<Vec<_>>(),
            })
        })
    });
    let zone = json!({
        "format": FORMAT,
        "zone": zone.origin().to_ascii(),
        "records": sets.collect::<Vec<_>>(),
    });
    format!("{zone:#}\n").into_bytes()
}

/// The zone that this is the content of a file of, or what is wrong with it.
pub fn from_json(content: &[u8]) -> Result<Zone, String> {
    let value: Value = serde_json::from_slice(content).map_err(|error| error.to_string())?;
    let format = value.get("format").and_then(Value::as_u64);
    if format != Some(FORMAT) {
        return Err(match format {
            Some(newer) => format!("its format {newer} is not known to this version"),
            None => "it has no format".to_owned(),
        });
    }
    let origin = value.get("zone").and_then(Value::as_str).and_then(record::name);
    let origin = origin.ok_or("it has no `zone`")?;
    let records = value.get("records").and_then(Value::as_array).ok_or("it has no `records`")?;
    let sets = records.iter().map(set).collect::<Result<Vec<_>, _>>()?;
    Zone::new(&origin, sets).map_err(|error| error.to_string())
}

fn set(record: &Value) -> Result<(Name, RecordType, RrSet), String> {
    let wrong = || format!("a record cannot be read: {record}");
    let text = |key: &str| record.get(key).and_then(Value::as_str);
    let name = text("name").and_then(record::name).ok_or_else(wrong)?;
    let kind = text("type").and_then(record::type_of).filter(|kind| !record::is_meta(*kind));
    let kind = kind.ok_or_else(wrong)?;
    let ttl = record.get("ttl").and_then(Value::as_u64).and_then(|ttl| u32::try_from(ttl).ok());
    let values = record.get("values").and_then(Value::as_array).ok_or_else(wrong)?;
    let mut data = Vec::new();
    for value in values {
        let one = record::data(kind, value.as_str().ok_or_else(wrong)?)?;
        if data.contains(&one) {
            return Err(wrong());
        }
        data.push(one);
    }
    Ok((name, kind, RrSet { ttl: ttl.ok_or_else(wrong)?, data }))
}
