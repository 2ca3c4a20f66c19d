//! What a gateway's machine keeps in its state folder: its own id, the last switch of each site, and the mode that
//! somebody set here. For the night when the store cannot be read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::files;
use crate::store::encoded;
use crate::switch::{FORMAT, Mode, Switch};

const SWITCH: &str = "switch.json";
const LOCAL: &str = "local.json";
const ID: &str = "id";
/// Each of these documents is a few hundred bytes.
const LARGEST: usize = 1 << 20;

/// A mode that somebody set on this machine: it holds until somebody clears it here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Local {
    /// Its format.
    pub format: u32,
    /// The mode; where the store asks for a stricter one, that one counts.
    pub mode: Mode,
    /// Who set it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// The documents of one site on this machine.
#[derive(Debug, Clone)]
pub struct Kept {
    folder: PathBuf,
}

impl Kept {
    /// Those of `site` in the state folder `state`.
    pub fn of(state: &Path, site: &str) -> Kept {
        Kept { folder: state.join(encoded(site)) }
    }

    /// The last switch, if there is one that can be read.
    pub(super) fn switch(&self) -> io::Result<Option<Switch>> {
        let switch: Option<Switch> = self.read(SWITCH)?;
        match switch {
            Some(switch) if switch.format > FORMAT => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "a newer Roadworks wrote it"))
            }
            found => Ok(found),
        }
    }

    pub(super) fn keep_switch(&self, switch: &Switch) -> io::Result<()> {
        self.write(SWITCH, switch)
    }

    /// The mode set on this machine, if there is one.
    pub(super) fn local(&self) -> io::Result<Option<Local>> {
        self.read(LOCAL)
    }

    pub(super) fn keep_local(&self, local: Option<&Local>) -> io::Result<()> {
        match local {
            Some(local) => self.write(LOCAL, local),
            None => match files::remove(&self.folder.join(LOCAL)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                Ok(()) | Err(_) => Ok(()),
            },
        }
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        let Some(content) = files::read_up_to(&self.folder.join(name), LARGEST)? else {
            return Ok(None);
        };
        Ok(Some(serde_json::from_slice(&content)?))
    }

    fn write<T: Serialize>(&self, name: &str, document: &T) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        files::write_whole(&self.folder.join(name), &serde_json::to_vec_pretty(document)?)
    }
}

/// The id of the gateway whose state folder this is: made once, kept from then on. `host` is what people know it by.
pub fn id(state: &Path, host: &str) -> io::Result<String> {
    fs::create_dir_all(state)?;
    let path = state.join(ID);
    if let Some(known) = files::read_up_to(&path, LARGEST)? {
        let known = String::from_utf8_lossy(&known).trim().to_owned();
        if !known.is_empty() {
            return Ok(encoded(&known));
        }
    }
    let host: String = host.split('.').next().unwrap_or("gateway").chars().take(40).collect();
    let id = encoded(&format!("{host}-{:08x}", fastrand::u32(..)));
    files::write_whole(&path, id.as_bytes())?;
    Ok(id)
}
