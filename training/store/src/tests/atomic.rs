//! Atomic files and folders: commits, leftovers, modes, and readers during a replacement.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::atomic::PREFIX;
use crate::{AtomicFile, AtomicFolder};

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_file_appears_when_it_is_committed_and_replaces_an_older_one() {
    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("a/b/file");
    let mut dropped = AtomicFile::create(&target).unwrap();
    dropped.write_all(b"half").unwrap();
    drop(dropped);
    assert_eq!(names(&root.path().join("a/b")), Vec::<String>::new());

    for (contents, is_synced) in [("old", true), ("new", false)] {
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(contents.as_bytes()).unwrap();
        assert_ne!(fs::read_to_string(&target).ok().as_deref(), Some(contents));
        if is_synced { file.commit() } else { file.commit_unsynced() }.unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), contents);
        assert_eq!((names(&root.path().join("a/b")), mode(&target)), (vec!["file".to_owned()], 0o644));
    }
}

#[test]
fn a_file_can_be_written_through_its_temporary_path() {
    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("file");
    let file = AtomicFile::create(&target).unwrap();
    fs::write(file.path(), "by another library").unwrap();
    file.commit().unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap(), "by another library");
}

#[test]
fn a_new_folder_is_readable_and_never_replaces_another() {
    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("models/v1");
    let folder = AtomicFolder::beside(&target).unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    let file = folder.path().join("sub/file");
    fs::write(&file, "first").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    assert!(folder.commit_new(&target).unwrap());
    assert_eq!((mode(&target), mode(&target.join("sub"))), (0o755, 0o755));
    assert_eq!(mode(&target.join("sub/file")), 0o644);

    let other = AtomicFolder::beside(&target).unwrap();
    fs::write(other.path().join("file"), "second").unwrap();
    assert!(!other.commit_new(&target).unwrap());
    assert_eq!(fs::read_to_string(target.join("sub/file")).unwrap(), "first");
    assert_eq!(names(&root.path().join("models")), ["v1"]);
}

#[test]
fn a_reader_always_finds_a_folder_that_is_being_replaced() {
    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("cache");
    let replace = |contents: &str| {
        let folder = AtomicFolder::create_in(root.path()).unwrap();
        fs::write(folder.path().join("index"), contents).unwrap();
        folder.commit_replacing(&target).unwrap();
    };
    replace("0");
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (1..50).for_each(|number| replace(&number.to_string())));
        while !writer.is_finished() {
            assert!(target.exists());
        }
    });
    assert_eq!(fs::read_to_string(target.join("index")).unwrap(), "49");
    assert_eq!(names(root.path()), ["cache"]);
}

#[test]
fn leftovers_without_a_lock_are_removed_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let living = AtomicFolder::create_in(root.path()).unwrap();
    let writing = AtomicFile::create(&root.path().join("file")).unwrap();
    let leftover = |name: &str| root.path().join(format!("{PREFIX}{name}"));
    fs::create_dir(leftover("folder")).unwrap();
    fs::write(leftover("folder").join("model.onnx"), "half").unwrap();
    fs::write(leftover("file"), "half").unwrap();
    let link = leftover("link");
    std::os::unix::fs::symlink("/", &link).unwrap();
    fs::create_dir(root.path().join(".partial-of-others")).unwrap();

    drop(AtomicFile::create(&root.path().join("file")).unwrap());
    assert!(!leftover("folder").exists() && !leftover("file").exists());
    assert!(living.path().exists() && writing.path().exists());
    assert!(link.exists() && root.path().join(".partial-of-others").exists());
}

/// Many writers begin in the same folder: none takes another's new file for a leftover.
#[test]
fn writers_that_begin_at_once_do_not_disturb_each_other() {
    let root = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let root = root.path();
            scope.spawn(move || {
                for number in 0..25 {
                    let name = format!("{writer}-{number}");
                    let mut file = AtomicFile::create(&root.join(&name)).unwrap();
                    file.write_all(name.as_bytes()).unwrap();
                    file.commit_unsynced().unwrap();
                    let folder = AtomicFolder::create_in(root).unwrap();
                    File::create(folder.path().join("file")).unwrap();
                    assert!(folder.commit_new(&root.join(format!("folder-{name}"))).unwrap());
                }
            });
        }
    });
    assert_eq!(names(root.path()).len(), 2 * 8 * 25);
}
