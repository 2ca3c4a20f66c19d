//! What was written or deleted while Redis was away, on disk before it is answered, until Redis has it no more.
//!
//! A record that was answered is never lost: a file that cannot be read, or that is full, keeps Redis away until a person has seen to
//! it. What only may be old is a miss; what is old is never read.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::answer::Dirty;

/// The first line of each file; another number is another format.
const HEAD: &[u8] = b"roadworks redis journal 1\n";
/// Before each record its length, the sum of that, and its own: a length that is damaged is not taken for a record that was cut off.
const FRONT: usize = 12;
/// No key that is kept of a command is longer.
const LONGEST: usize = 1 << 20;

/// What Redis still has in one of its databases.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// `SELECT`
    pub database: u32,
    /// Which keys.
    pub dirty: Dirty,
}

/// One file, which no other process has; or none, and what is in it ends with the process.
#[derive(Debug)]
pub struct Journal {
    file: Option<File>,
    /// So much of it is whole and on disk.
    length: u64,
    /// What is in it and not removed.
    entries: BTreeSet<Entry>,
    /// What is being removed now: still in the file, and no reason not to write the same again.
    removing: BTreeSet<Entry>,
    most: usize,
    /// Whether it is new, and nobody has looked yet whether there was one before.
    is_new: bool,
    /// Why Redis stays away.
    broken: Option<String>,
}

/// Why a journal is not begun with.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Another guard has it.
    #[error("another guard has this journal")]
    Taken,
    /// A later version wrote it, or it is no journal.
    #[error("this is no journal of this version")]
    Format,
    /// It cannot be read or written.
    #[error("it cannot be used: {0}")]
    File(#[from] io::Error),
}

impl Journal {
    /// Opens or makes the file, which has at most `most` entries. One that is damaged is opened too, and is broken.
    pub fn open(path: &Path, most: usize) -> Result<Journal, Unusable> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Unusable::Taken),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        if HEAD.starts_with(&bytes) {
            // New, or cut off before anything was in it.
            file.set_len(0)?;
            // Until somebody has looked whether there was another, it is new after a restart as well.
            let begun = [HEAD, &record(b'n', 0, b"")].concat();
            file.write_all(&begun)?;
            file.sync_all()?;
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                File::open(folder)?.sync_all()?;
            }
            bytes = begun;
        }
        let records = bytes.strip_prefix(HEAD).ok_or(Unusable::Format)?;
        let Read { entries, whole, is_new, broken } = read(records);
        let length = u64::try_from(HEAD.len() + whole).unwrap_or(u64::MAX);
        if broken.is_none() {
            // A record that was cut off was never answered.
            file.set_len(length)?;
        }
        let file = Some(file);
        Ok(Journal { file, length, entries, removing: BTreeSet::new(), most, is_new, broken })
    }

    /// One without a file, of at most `most` entries: it is new each time.
    pub fn in_memory(most: usize) -> Journal {
        let (entries, removing) = (BTreeSet::new(), BTreeSet::new());
        Journal { file: None, length: 0, entries, removing, most, is_new: true, broken: None }
    }

    /// Whether nobody knows what was in the one before it, if there was one.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The databases of which something is in it.
    pub fn databases(&self) -> BTreeSet<u32> {
        self.entries.union(&self.removing).map(|entry| entry.database).collect()
    }

    /// Has this in it and nothing else, and is whole again.
    pub fn mend(&mut self, entries: Vec<Entry>) -> io::Result<()> {
        self.removing.clear();
        self.entries.clear();
        self.broken = None;
        self.length = u64::MAX;
        self.empty()?;
        self.keep(entries)
    }

    /// Whether Redis may be read as it is.
    pub fn is_clean(&self) -> bool {
        self.entries.is_empty() && self.removing.is_empty() && self.broken.is_none()
    }

    /// Why Redis stays away until somebody has seen to it.
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len() + self.removing.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts entries on disk: after it came back without an error they are there. Where there are too many, it is broken instead, and
    /// no entry is needed any more: nothing is read until a person says so.
    pub fn keep(&mut self, entries: Vec<Entry>) -> io::Result<()> {
        if self.broken.is_some() {
            return Ok(());
        }
        let fresh: BTreeSet<_> =
            entries.into_iter().filter(|entry| !self.entries.contains(entry)).collect();
        if fresh.is_empty() {
            return Ok(());
        }
        if self.len() + fresh.len() > self.most {
            self.write(&record(b'o', 0, b""))?;
            self.broken = Some(format!("there were more than {} keys to remove", self.most));
            return Ok(());
        }
        if std::mem::take(&mut self.is_new) {
            // Whoever keeps something has looked whether there was another.
            self.empty()?;
        }
        let mut bytes = Vec::new();
        for Entry { database, dirty } in &fresh {
            let (kind, text) = match dirty {
                Dirty::Key(key) => (b'k', key.as_slice()),
                Dirty::Pattern(pattern) => (b'p', pattern.as_slice()),
                Dirty::Database => (b'f', &b""[..]),
            };
            bytes.extend(record(kind, *database, text));
        }
        self.write(&bytes)?;
        self.entries.extend(fresh);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let wrote = file.write_all(bytes).and_then(|()| file.sync_data());
        match wrote {
            Ok(()) => {
                self.length += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                Ok(())
            }
            Err(error) => {
                // What is half there must not stand before what is written next.
                if let Err(worse) = file.set_len(self.length) {
                    self.broken = Some(format!("its file cannot be mended: {worse}"));
                }
                Err(error)
            }
        }
    }

    /// What is to be removed now. It stays in the file until all is; what comes meanwhile is written anew.
    pub fn begin(&mut self) -> Vec<Entry> {
        self.removing.append(&mut self.entries);
        self.removing.iter().cloned().collect()
    }

    /// What is in it and not removed.
    pub fn all(&self) -> Vec<Entry> {
        self.entries.union(&self.removing).cloned().collect()
    }

    /// Redis has none of what [`Journal::begin`] gave.
    pub fn removed(&mut self) {
        self.removing.clear();
    }

    /// Redis may still have it.
    pub fn not_removed(&mut self) {
        self.entries.append(&mut self.removing);
    }

    /// Empties the file, once everything is removed. Where it fails, the same is only removed again.
    pub fn empty(&mut self) -> io::Result<()> {
        let length = u64::try_from(HEAD.len()).unwrap_or(u64::MAX);
        let Some(file) = self.file.as_mut().filter(|_| self.length != length) else {
            return Ok(());
        };
        file.set_len(length)?;
        self.length = length;
        file.seek(SeekFrom::End(0))?;
        file.sync_all()
    }
}

fn record(kind: u8, database: u32, text: &[u8]) -> Vec<u8> {
    let mut payload = vec![kind];
    payload.extend(database.to_be_bytes());
    payload.extend(text);
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend(sum(&length.to_be_bytes()).to_be_bytes());
    bytes.extend(sum(&payload).to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// FNV-1a: finds what a disk did to a record, not what somebody did.
fn sum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The entries of a file, how many of its bytes they are, and why it cannot be trusted, if so. What is cut off at its end is no
/// damage: nobody was told that it is there.
fn read(mut bytes: &[u8]) -> Read {
    let mut found = Read::default();
    let broken = |found: Read, why: String| Read { broken: Some(why), ..found };
    let damaged = |found: Read| {
        let why = format!("its file is damaged at byte {}", HEAD.len() + found.whole);
        broken(found, why)
    };
    while !bytes.is_empty() {
        // A file that was made longer and not written has zeros there.
        if bytes.iter().all(|byte| *byte == 0) {
            break;
        }
        let Some((length, rest)) = bytes.split_first_chunk::<4>() else { break };
        let Some((of_length, rest)) = rest.split_first_chunk::<4>() else { break };
        let is_sound = sum(length) == u32::from_be_bytes(*of_length);
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if !is_sound || !(5..=LONGEST + 5).contains(&length) {
            return damaged(found);
        }
        let Some((expected, rest)) = rest.split_first_chunk::<4>() else { break };
        let Some((payload, rest)) = rest.split_at_checked(length) else { break };
        let Some((kind, [a, b, c, d, text @ ..])) = payload.split_first() else {
            return damaged(found);
        };
        if sum(payload) != u32::from_be_bytes(*expected) {
            return damaged(found);
        }
        let database = u32::from_be_bytes([*a, *b, *c, *d]);
        let dirty = match kind {
            b'k' => Dirty::Key(text.to_vec()),
            b'p' => Dirty::Pattern(text.to_vec()),
            b'o' => {
                let why = "there were more keys to remove than it may have".to_owned();
                return broken(found, why);
            }
            b'f' => Dirty::Database,
            b'n' => {
                found.is_new = true;
                found.whole += FRONT + length;
                bytes = rest;
                continue;
            }
            _ => return damaged(found),
        };
        found.entries.insert(Entry { database, dirty });
        found.whole += FRONT + length;
        bytes = rest;
    }
    found
}

/// What is in a file.
#[derive(Debug, Default)]
struct Read {
    entries: BTreeSet<Entry>,
    /// So many of its bytes they are.
    whole: usize,
    is_new: bool,
    broken: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn key(database: u32, key: &str) -> Entry {
        Entry { database, dirty: Dirty::Key(key.as_bytes().to_vec()) }
    }

    #[test]
    fn what_was_kept_is_there_after_a_crash_and_gone_once_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let open = || Journal::open(&path, 100);
        let mut journal = open().unwrap();
        assert!(journal.is_clean());
        journal.keep(vec![key(0, "a"), key(3, "b"), key(0, "a")]).unwrap();
        assert!(matches!(open(), Err(Unusable::Taken)), "nobody else has it meanwhile");
        drop(journal);
        let mut journal = open().unwrap();
        assert_eq!(journal.begin(), [key(0, "a"), key(3, "b")]);
        journal.keep(vec![key(0, "a")]).unwrap();
        journal.removed();
        assert_eq!(journal.begin(), [key(0, "a")], "what came meanwhile is removed once more");
        journal.not_removed();
        assert!(!journal.is_clean());
        drop(journal);
        let mut journal = open().unwrap();
        journal.begin();
        journal.removed();
        journal.empty().unwrap();
        journal.keep(vec![key(1, "c")]).unwrap();
        drop(journal);
        assert_eq!(open().unwrap().begin(), [key(1, "c")]);
    }

    #[test]
    fn what_is_damaged_or_full_keeps_redis_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path, 2).unwrap();
        journal.keep(vec![key(0, "a"), key(0, "b")]).unwrap();
        drop(journal);
        let sound = fs::read(&path).unwrap();
        let mut damaged = sound.clone();
        damaged[HEAD.len() + FRONT + 5] ^= 1;
        fs::write(&path, &damaged).unwrap();
        let journal = Journal::open(&path, 2).unwrap();
        assert!(journal.broken().unwrap().contains("damaged") && !journal.is_clean());
        drop(journal);
        assert_eq!(fs::read(&path).unwrap(), damaged, "it is left to whoever sees to it");
        // Not even a length that is too long now is taken for the end.
        let mut longer = sound.clone();
        longer[HEAD.len() + 2] = 1;
        fs::write(&path, &longer).unwrap();
        assert!(Journal::open(&path, 2).unwrap().broken().unwrap().contains("damaged"));
        fs::write(&path, &sound).unwrap();
        let mut journal = Journal::open(&path, 2).unwrap();
        journal.keep(vec![key(0, "c")]).unwrap();
        assert!(journal.broken().unwrap().contains("more than 2 keys"));
        drop(journal);
        assert!(Journal::open(&path, 2).unwrap().broken().is_some(), "after a restart, too");
        fs::write(&path, "roadworks redis journal 2\n").unwrap();
        assert!(matches!(Journal::open(&path, 2), Err(Unusable::Format)));
    }

    proptest! {
        #[test]
        fn a_file_that_is_cut_off_anywhere_has_what_is_whole_in_it(
            keys in proptest::collection::vec("[a-z]{0,9}", 1..8),
            cut in 0.0..1.0_f64,
            zeros in 0..20_usize,
        ) {
            let bytes: Vec<_> = keys.iter().map(|key| record(b'k', 7, key.as_bytes())).collect();
            let all = bytes.concat();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of a few bytes")]
            let cut = (all.len() as f64 * cut) as usize;
            let mut ends = 0;
            let whole = bytes.iter().take_while(|one| {
                ends += one.len();
                ends <= cut
            });
            let wanted = whole.count();
            let Read { entries, broken, .. } = read(&all[..cut]);
            prop_assert_eq!(broken, None);
            prop_assert_eq!(entries, keys[..wanted].iter().map(|one| key(7, one)).collect::<BTreeSet<_>>());
            let Read { entries, whole, broken, .. } = read(&[all.clone(), vec![0; zeros]].concat());
            prop_assert_eq!((entries.len(), whole, broken), (keys.iter().collect::<BTreeSet<_>>().len(), all.len(), None));
        }
    }
}
