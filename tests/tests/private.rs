//! Stored and exported sessions: no secret, and no name.

use anyhow::{Context, Result, ensure};
use end_to_end::World;
use rustix::fs::chown;
use std::fs;
use std::path::Path;
use std::process::Output;

const SECRETS: [&str; 6] = [
    "hunter2-word",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "tok-in-a-url",
    "bearer-0815",
    "env-secret-1",
    "b3BlbnNzaC1rZXktdjE",
];

fn script() -> String {
    let [password, key, url, bearer, variable, pem] = SECRETS;
    format!(
        "/bin/true --password {password}; /bin/true {key} {key}; /bin/true https://me:{url}@example.org/x; \
         /bin/true -H 'Authorization: Bearer {bearer}'; env DB_PASSWORD={variable} /bin/true; \
         /bin/true '-----BEGIN OPENSSH PRIVATE KEY-----\n{pem}\n-----END OPENSSH PRIVATE KEY-----'; \
         /bin/true 8a5c9e8c3f1d2b4a6e7f8091a2b3c4d5e6f70819"
    )
}

/// Every file below a directory that holds one of the words.
fn holding(directory: &Path, words: &[&str]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            } else if entry.file_type()?.is_file() {
                let bytes = fs::read(entry.path())?;
                found.extend(
                    words_in(&bytes, words).map(|word| format!("{}: {word}", entry.path().display())),
                );
            }
        }
    }
    Ok(found)
}

fn words_in<'w>(bytes: &[u8], words: &'w [&'w str]) -> impl Iterator<Item = &'w &'w str> {
    words.iter().filter(move |word| {
        bytes.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
    })
}

fn good(output: Output) -> Result<String> {
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn no_secret_of_an_argument_is_kept_or_shown() -> Result<()> {
    let world = World::new()?;
    let output = world.run_script("record", &[], &script())?;
    assert_eq!(output.status.code(), Some(0));
    for args in [
        &["export", "last"][..],
        &["show", "last", "--all"],
        &["show", "last", "--json"],
        &["sessions", "--json"],
    ] {
        let said = good(world.run(args)?)?;
        assert_eq!(words_in(said.as_bytes(), &SECRETS).next(), None, "{args:?}");
    }
    assert_eq!(words_in(&output.stderr, &SECRETS).next(), None);
    // The database, its log, the supervisor's log, everything.
    assert_eq!(holding(&world.state(), &SECRETS)?, Vec::<String>::new());
    let exported = good(world.run(["export", "last"])?)?;
    let executed: Vec<&str> = exported.lines().filter(|line| line.contains("\"op\":\"exec\"")).collect();
    let with = |text: &str| executed.iter().filter(|line| line.contains(text)).count();
    assert_eq!(
        with("8a5c9e8c3f1d2b4a6e7f8091a2b3c4d5e6f70819"),
        2,
        "the shell's own line, and the program's"
    );
    // The same secret, the same replacement: twice in one list.
    let twice = executed.iter().find_map(|line| {
        let arguments = line.split_once("\"args\":[\"/bin/true\",\"<secret:")?.1;
        let (first, rest) = arguments.split_once(">\",\"<secret:")?;
        Some((first.to_owned(), rest.split_once('>')?.0.to_owned()))
    });
    let (first, second) = twice.with_context(|| format!("no two secrets: {executed:?}"))?;
    assert_eq!((first.len(), &first), (8, &second));
    Ok(())
}

#[test]
fn what_is_shared_has_no_name_in_it() -> Result<()> {
    const NAME: &str = "zaphod-beeblebrox";
    let world = World::new()?;
    let home = world.path().join(NAME);
    let workspace = home.join("projects/app");
    fs::create_dir_all(&workspace)?;
    for path in [&home, &home.join("projects"), &workspace] {
        let id = world.user.id;
        chown(path, Some(rustix::process::Uid::from_raw(id)), Some(rustix::process::Gid::from_raw(id)))?;
    }
    let (id, home_text) = (world.user.id.to_string(), home.display().to_string());
    let node = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let script = format!(
        "cd {home_text}/projects/app; echo a >a.txt; cat a.txt; mkdir -p /tmp/of-{NAME}; rmdir /tmp/of-{NAME}; \
         /bin/true --home={home_text}/x {node} {}; ls /run/user/{id}; /bin/true {id}:{id} 12345",
        NAME.to_uppercase(),
    );
    let user = format!("{id}:{id}");
    let mut command =
        world.wardline(["record", "--quiet", "--agent", "test-agent", "--user", &user, "--home", &home_text]);
    command.args(["--", "bash", "-c", &script]).current_dir(&workspace);
    command.output()?;
    let exact = good(world.run(["export", "last"])?)?;
    let shared = good(world.run(["export", "last", "--share"])?)?;
    let names = [NAME, &id, &node];
    assert_eq!(words_in(exact.as_bytes(), &names).count(), 3, "the session has the names");
    for line in shared.lines() {
        assert_eq!(words_in(line.as_bytes(), &names[..2]).next(), None, "{line}");
    }
    // A machine's name may be short, and then stands within words that it has nothing to do with.
    let is_word = |text: &str| text.split(|c: char| !c.is_alphanumeric()).any(|word| word == node);
    assert!(is_word(&exact) && (!is_word(&shared) || ["localhost", "host"].contains(&node.as_str())));
    assert_eq!(exact.lines().count(), shared.lines().count());
    for kept in
        ["/home/user/projects/app/a.txt", "12345", "--home=/home/user/x", "\"uid\":1000", "/tmp/of-user"]
    {
        assert!(shared.contains(kept), "{kept}");
    }
    // Everything else is exact.
    let mut changed = 0;
    for (before, after) in exact.lines().zip(shared.lines()) {
        if words_in(before.as_bytes(), &names).next().is_none() {
            assert_eq!(before, after);
        } else {
            changed += 1;
        }
    }
    assert!(changed > 3);
    Ok(())
}
