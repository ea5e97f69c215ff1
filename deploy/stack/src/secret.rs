//! Passwords that are made once and kept beside the data.
//!
//! Knows: random bytes and a private folder. Never: what a password opens.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::fault::Fault;

/// Random bytes of a password. 16 bytes are 128 bits: beyond guessing.
const PASSWORD_BYTES: usize = 16;

/// A fresh password of 32 hexadecimal digits, which need no quoting anywhere.
///
/// # Errors
/// When the machine has no `/dev/urandom`.
pub fn generate() -> Result<String, Fault> {
    random::<PASSWORD_BYTES>().map(hex::encode)
}

/// Fresh random bytes.
///
/// # Errors
/// When the machine has no `/dev/urandom`.
pub fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0_u8; N];
    fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|source| Fault::io("could not read random bytes from /dev/urandom", source))?;
    Ok(bytes)
}

/// The password kept as `folder/name`; made and written (mode 0600, folder 0700) when absent.
///
/// # Errors
/// When the folder or the file can neither be read nor written.
pub fn kept(folder: &Path, name: &str) -> Result<String, Fault> {
    let path = folder.join(name);
    match fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Ok(_) => {}
        Err(source) if source.kind() == ErrorKind::NotFound => {}
        Err(source) => return Err(Fault::io(format!("could not read `{}`", path.display()), source)),
    }
    let password = generate()?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| Fault::io(format!("could not make `{}`", folder.display()), source))?;
    write_private(&path, &password)?;
    Ok(password)
}

/// Writes `text` to `path` so that only its owner reads it; replaces what was there.
///
/// # Errors
/// When the file cannot be written.
pub fn write_private(path: &Path, text: &str) -> Result<(), Fault> {
    let write = || -> std::io::Result<()> {
        // An old file would keep its mode: the new one is made beside it and moved over it.
        let fresh = path.with_extension("new");
        match fs::remove_file(&fresh) {
            Err(source) if source.kind() != ErrorKind::NotFound => return Err(source),
            _ => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    write().map_err(|source| Fault::io(format!("could not write `{}`", path.display()), source))
}

/// Sees to it that `path` holds `text`, readable by whoever the folder is mounted for, writable by nobody.
///
/// # Errors
/// When the file cannot be written.
pub fn fit(path: &Path, text: &str) -> Result<(), Fault> {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    write_private(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o444))
        .map_err(|source| Fault::io(format!("could not open `{}` for reading", path.display()), source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("secrets");
        let first = kept(&folder, "postgres").unwrap();
        assert_eq!(first.len(), 32);
        assert_eq!(kept(&folder, "postgres").unwrap(), first);
        assert_ne!(kept(&folder, "other").unwrap(), first);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join("postgres"))), (0o700, 0o600));
    }

    #[test]
    fn empty_password_file_is_filled_again() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("postgres"), "\n").unwrap();
        assert_eq!(kept(folder.path(), "postgres").unwrap().len(), 32);
    }
}
