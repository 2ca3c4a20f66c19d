//! A store in a folder: one file a document. A write is a temporary file, fsync and rename under a lock, so that a
//! reader never sees half of it and a crash leaves the old content or the new.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{
    Clocks, Error, Expect, FileNotice, Holder, LARGEST, Lease, Right, Store, Version, lease,
};
use crate::files::{read_up_to, remove, write_lightly, write_whole};

/// How long a write waits for another write to end. Each takes milliseconds.
const LOCK_DEADLINE: Duration = Duration::from_secs(5);
const LOCK_RETRY: Duration = Duration::from_millis(5);
/// A caller's ARN and a host's name are shorter.
const LONGEST_HOLDER: u64 = 4 << 10;

/// Documents as files of a folder, which is made at the first write.
#[derive(Debug, Clone)]
pub struct FileStore {
    folder: PathBuf,
}

/// Held until it is given back, or until the process ends: the system takes back the file's lock.
#[derive(Debug)]
pub struct FileLease {
    locked: File,
    store: FileStore,
    right: Right,
    holder: Holder,
}

impl FileStore {
    /// The store in `folder`, which need not exist yet.
    pub fn at(folder: impl Into<PathBuf>) -> FileStore {
        FileStore { folder: folder.into() }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(key)
    }

    fn cannot(&self, doing: &'static str) -> impl Fn(io::Error) -> Error + '_ {
        move |source| Error::Unavailable { place: self.describe(), doing, source }
    }

    fn read(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, Error> {
        let content = read_up_to(&self.path(key), LARGEST).map_err(self.cannot("read"))?;
        Ok(content.map(|content| {
            let version = version_of(&content);
            (content, version)
        }))
    }

    fn write(&self, key: &str, content: &[u8]) -> io::Result<()> {
        let path = self.path(key);
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder)?;
        write_whole(&path, content)
    }

    fn open_lock(&self, name: &str) -> Result<File, Error> {
        fs::create_dir_all(&self.folder).map_err(self.cannot("written"))?;
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.folder.join(name))
            .map_err(self.cannot("written"))
    }

    /// The lock under which a version is compared and a file replaced.
    async fn write_lock(&self) -> Result<File, Error> {
        let file = self.open_lock(".lock")?;
        let locked = tokio::time::timeout(LOCK_DEADLINE, async {
            loop {
                match file.try_lock() {
                    Ok(()) => return Ok(()),
                    Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_RETRY).await,
                    Err(TryLockError::Error(error)) => return Err(error),
                }
            }
        });
        match locked.await {
            Ok(Ok(())) => Ok(file),
            Ok(Err(error)) => Err(self.cannot("locked")(error)),
            Err(_) => Err(self.cannot("locked")(io::ErrorKind::TimedOut.into())),
        }
    }
}

impl Store for FileStore {
    type Lease = FileLease;
    type Notice = FileNotice;

    async fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, Error> {
        self.read(key)
    }

    async fn put(&self, key: &str, content: &[u8], expect: Expect) -> Result<Version, Error> {
        if content.len() > LARGEST {
            return Err(Error::too_large(key, self.describe()));
        }
        let _locked = self.write_lock().await?;
        let now = self.read(key)?.map(|(_, version)| version);
        let holds = match expect {
            Expect::Absent => now.is_none(),
            Expect::At(version) => now == Some(version),
            Expect::Anything => true,
        };
        if !holds {
            return Err(Error::Moved { key: key.to_owned() });
        }
        self.write(key, content).map_err(self.cannot("written"))?;
        Ok(version_of(content))
    }

    async fn renew(&self, key: &str, content: &[u8]) -> Result<(), Error> {
        let path = self.path(key);
        let written = write_lightly(&path, content).or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                return Err(error);
            }
            fs::create_dir_all(path.parent().unwrap_or(&self.folder))?;
            write_lightly(&path, content)
        });
        written.map_err(self.cannot("written"))
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        match remove(&self.path(key)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.cannot("written")(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    async fn watch(&self, what: &str) -> FileNotice {
        let folder = self.path(what.rsplit_once('/').map_or("", |(folder, _)| folder));
        // A folder that cannot be made yet is looked for each second.
        drop(fs::create_dir_all(&folder));
        FileNotice::of(folder)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let entries = match fs::read_dir(self.path(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.cannot("read")(error)),
        };
        let mut keys = Vec::new();
        for entry in entries {
            let name = entry.map_err(self.cannot("read"))?.file_name();
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            let key = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            if key.starts_with(prefix) {
                keys.push(key);
            }
        }
        keys.sort();
        Ok(keys)
    }

    async fn lease(&self, right: Right, holder: &Holder) -> Result<FileLease, Error> {
        let mut file = self.open_lock(match right {
            Right::Move => "lease.lock",
            Right::Lead => "agent.lock",
            Right::Run => "run.lock",
        })?;
        match file.try_lock() {
            Ok(()) => {
                // The lock is what counts; the name in it is for whoever finds it taken.
                let told = file.set_len(0).and_then(|()| file.write_all(holder.name.as_bytes()));
                told.map_err(self.cannot("written"))?;
                Ok(FileLease { locked: file, store: self.clone(), right, holder: holder.clone() })
            }
            Err(TryLockError::WouldBlock) => Err(Error::Leased { holder: holder_in(&file) }),
            Err(TryLockError::Error(error)) => Err(self.cannot("locked")(error)),
        }
    }

    fn pace(&self) -> u32 {
        1
    }

    fn clocks(&self) -> Clocks {
        Clocks::One
    }

    fn describe(&self) -> String {
        self.folder.display().to_string()
    }
}

impl FileLease {
    /// Says that an agent lives, for whoever wants to give an operation an end; or that a command runs, for whoever wants to open.
    async fn tell(&self) {
        let mut beat = 0;
        loop {
            beat += 1;
            let told = serde_json::to_vec(&self.holder.told(beat)).unwrap_or_default();
            if let Err(error) = self.store.renew(lease::key(self.right), &told).await {
                tracing::warn!(%error, "who holds a right cannot say that it lives");
            }
            tokio::time::sleep(lease::every()).await;
        }
    }
}

impl Lease for FileLease {
    async fn hold<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Error> {
        if self.right == Right::Move {
            return Ok(work.await);
        }
        tokio::select! {
            done = work => Ok(done),
            () = self.tell() => Err(Error::Leased { holder: self.holder.name.clone() }),
        }
    }

    async fn release(self) {
        if self.right != Right::Move {
            drop(self.store.remove(lease::key(self.right)).await);
        }
        drop(self.locked);
    }
}

/// Who took the lock, as they wrote into it.
fn holder_in(locked: &File) -> String {
    let mut holder = String::new();
    let read = locked.take(LONGEST_HOLDER).read_to_string(&mut holder);
    let told = read.is_ok() && !holder.trim().is_empty();
    if told { holder.trim().to_owned() } else { "another process".to_owned() }
}

/// Contents are never the same twice (a switch counts its versions), so a digest tells them apart.
fn version_of(content: &[u8]) -> Version {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(content) {
        #[expect(clippy::let_underscore_must_use, reason = "writing to a String cannot fail")]
        let _ = write!(text, "{byte:02x}");
    }
    Version(text)
}

#[cfg(test)]
mod tests {
    use super::super::{Notice as _, POLL};
    use super::*;

    #[tokio::test]
    async fn a_folder_in_the_place_of_a_lost_one_is_watched_though_a_file_of_the_first_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::at(folder.path().join("state"));
        let _open = store.lease(Right::Lead, &Holder::command("somebody")).await.unwrap();
        let mut notice = store.watch("").await;
        fs::remove_dir_all(folder.path().join("state")).unwrap();
        store.put("a.json", b"{}", Expect::Absent).await.unwrap();
        for _ in 0..3 {
            notice.changed().await;
        }
        store.put("b.json", b"{}", Expect::Absent).await.unwrap();
        let told = tokio::time::timeout(POLL / 2, notice.changed()).await;
        told.expect("told before it polls");
    }

    #[test]
    fn of_many_writers_that_read_the_same_version_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::at(folder.path());
        let wins = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..12)
                .map(|number: u32| {
                    let store = store.clone();
                    scope.spawn(move || {
                        tokio::runtime::Builder::new_current_thread()
                            .enable_all()
                            .build()
                            .unwrap()
                            .block_on(store.put(
                                "switch.json",
                                number.to_string().as_bytes(),
                                Expect::Absent,
                            ))
                            .is_ok()
                    })
                })
                .collect();
            writers.into_iter().filter_map(|writer| writer.join().ok()).filter(|won| *won).count()
        });
        assert_eq!(wins, 1);
    }
}
