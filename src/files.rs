//! Files on this machine, written whole and read up to a limit.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Replaces `path` by `content` so that a reader, and a crash, see the old content or the new: a temporary file beside
/// it, fsync, rename, fsync of the folder. Keeps the permissions of what it replaces.
pub fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = temporary(path, content)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path)?;
    File::open(folder_of(path))?.sync_all()
}

/// The same where nothing is there yet: what is there stays, and the error is `AlreadyExists`.
pub fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = temporary(path, content)?;
    temporary.as_file().sync_all()?;
    temporary.persist_noclobber(path)?;
    File::open(folder_of(path))?.sync_all()
}

/// The same for a reader; a crash of the whole machine may lose it, or leave it empty.
pub fn write_lightly(path: &Path, content: &[u8]) -> io::Result<()> {
    temporary(path, content)?.persist(path)?;
    Ok(())
}

/// `content` in a file beside `path`, gone when it is dropped.
fn temporary(path: &Path, content: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    // A name of its own, never one that is there: Terraform reads no name that begins with a dot.
    let mut temporary = tempfile::Builder::new()
        .prefix(".roadworks-")
        .suffix(".tmp")
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder_of(path))?;
    temporary.write_all(content)?;
    if let Ok(existing) = fs::metadata(path) {
        fs::set_permissions(temporary.path(), existing.permissions())?;
    }
    Ok(temporary)
}

/// Removes `path` for good: a crash afterwards does not bring it back.
pub fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    File::open(folder_of(path))?.sync_all()
}

/// Opens a file to read it. A pipe or a device would keep us waiting for ever, so it is an error.
pub fn open(path: &Path) -> io::Result<File> {
    let about = fs::metadata(path)?;
    if about.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !about.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    File::open(path)
}

/// The file's content, or `None` where there is no file. Over `limit` bytes it is an error.
pub fn read_up_to(path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut content = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut content)?;
    if content.len() > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("over {limit} bytes")));
    }
    Ok(Some(content))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_write_leaves_the_new_content_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roadworks.auto.tfvars.json");
        write_whole(&path, b"old").unwrap();
        write_whole(&path, b"{}").unwrap();
        let names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["roadworks.auto.tfvars.json"]);
        assert_eq!(read_up_to(&path, 2).unwrap().as_deref(), Some(&b"{}"[..]));
        assert!(read_up_to(&path, 1).is_err());
        remove(&path).unwrap();
        assert_eq!(read_up_to(&path, 2).unwrap(), None);
    }
}
