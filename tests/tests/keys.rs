//! The user's keys are used for a session, and read by nobody inside: not by `ssh` and `gpg` either, whoever drives them.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]

use anyhow::{Context, Result};
use end_to_end::bypass::{self, Fate};
use end_to_end::keys::Keys;
use end_to_end::{drive, has, wait_until};
use serde_json::Value;
use std::fs;
use std::process::Output;
use std::time::Duration;

/// The heading of the page.
const DRIVEN: &str = "A key is read by who drives a program that uses it";

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// That a session ended well, and nothing in it was denied.
fn assert_clean(summary: &Value, output: &Output) {
    assert!(output.status.success(), "{}", text(output));
    assert_eq!((&summary["denied"], &summary["t0_hits"]), (&0.into(), &0.into()), "{summary}");
    assert_eq!(summary["verdict"], "allow", "{summary}");
}

/// The uses of keys, as purpose, and whether it was refused.
fn uses(summary: &Value) -> Vec<(String, bool)> {
    let keys = summary["keys"].as_array().cloned().unwrap_or_default();
    let used = keys.iter().map(|key| &key["used"]);
    used.map(|used| (used["purpose"].as_str().unwrap_or_default().to_owned(), !used["refused"].is_null()))
        .collect()
}

fn clones_fetches_and_pushes(keys: &Keys, variables: &[(&str, &str)]) -> Result<()> {
    let script = format!(
        "set -e; rm -rf clone; git clone -q {} clone; cd clone; date +%N > more; git add more; git commit -qm more
         git push -q origin main; git fetch -q; ssh {} true; git rev-parse HEAD",
        keys.url(),
        keys.server(),
    );
    let (summary, output) = keys.session(variables, &script)?;
    assert_clean(&summary, &output);
    assert_eq!(uses(&summary), [("ssh".to_owned(), false)], "{summary}");
    assert_eq!(summary["keys"][0]["count"], 4, "{summary}");
    assert!(summary["keys"][0]["used"]["host"].as_str().is_some_and(|host| host.contains("127.0.0.1")));
    let pushed = keys.outside("git -C ../../repository.git rev-parse main")?;
    assert!(String::from_utf8_lossy(&output.stdout).contains(pushed.trim()), "{output:?}");
    Ok(())
}

#[test]
fn git_and_ssh_work_with_keys_in_files() -> Result<()> {
    let Some(keys) = Keys::new()? else { return Ok(()) };
    clones_fetches_and_pushes(&keys, &[])
}

/// Everything that runs `ssh` underneath.
#[test]
fn files_are_copied_over_ssh() -> Result<()> {
    let Some(keys) = Keys::new()? else { return Ok(()) };
    let ((port, account), there) = (keys.remote(), keys.home("there"));
    let there = there.display();
    let mut script = "set -e; mkdir -p ~/there; echo one > one\n".to_owned();
    let copies = [
        (
            "scp",
            2,
            format!(
                "scp -q -P {port} one {account}:{there}/scp; scp -q -P {port} {account}:{there}/scp back; cmp one back"
            ),
        ),
        (
            "sftp",
            1,
            format!(
                "echo 'put one {there}/sftp' | sftp -q -b - -P {port} {account} > /dev/null; cmp one ~/there/sftp"
            ),
        ),
        ("rsync", 1, format!("rsync -e 'ssh -p {port}' one {account}:{there}/rsync; cmp one ~/there/rsync")),
    ];
    let mut times = 0;
    for (program, count, copy) in copies {
        if has(program) {
            script.push_str(&format!("{copy}\n"));
            times += count;
        } else {
            println!("skipped: there is no {program}");
        }
    }
    if times == 0 {
        return Ok(());
    }
    let (summary, output) = keys.session(&[], &script)?;
    assert_clean(&summary, &output);
    assert_eq!(uses(&summary), [("ssh".to_owned(), false)], "{summary}");
    assert_eq!(summary["keys"][0]["count"], times, "{summary}");
    Ok(())
}

/// A user without keys gets no process, no variable, no directory and no word; one whose key has a passphrase is told.
#[test]
fn who_has_no_keys_hears_nothing_of_them() -> Result<()> {
    let Some(keys) = Keys::new()? else { return Ok(()) };
    keys.outside("ssh-keygen -q -p -f ~/.ssh/id_ed25519 -N secret")?;
    let look = "echo \"[$SSH_AUTH_SOCK$GNUPGHOME]\"";
    let (summary, output) = keys.session(&[], look)?;
    assert_clean(&summary, &output);
    let said = text(&output);
    assert!(
        said.contains("id_ed25519` has a passphrase: `ssh-add` it to your own agent before the session"),
        "{said}"
    );
    assert!(said.contains("[]"), "{said}");
    keys.outside("rm -r ~/.ssh")?;
    let (summary, output) = keys.session(&[], look)?;
    assert_clean(&summary, &output);
    let said = text(&output);
    assert!(said.contains("[]"), "{said}");
    for word in ["ssh", "gpg", "key"] {
        assert!(!said.contains(word), "{word}: {said}");
    }
    assert_eq!(end_to_end::keys::brokers(keys.world.user.id), [0; 0]);
    Ok(())
}

/// What was attached has its environment already: it is said which variables lead to the keys, and they do.
#[test]
fn what_was_attached_finds_its_keys_where_it_is_told_to() -> Result<()> {
    let Some(keys) = Keys::new()? else { return Ok(()) };
    let script = "until test -e ~/socket; do sleep 0.05; done; ssh-add -l > ~/before 2>&1
                  SSH_AUTH_SOCK=$(cat ~/socket) ssh-add -l > ~/after 2>&1; touch ~/done; sleep 60";
    let mut tree = keys.stay("bash", &["-c", script])?;
    let (pid, home) = (tree.id().to_string(), keys.world.home().display().to_string());
    let notes = keys.path("notes");
    let mut command =
        keys.world.wardline(["enforce", "--agent", "test-agent", "--home", &home, "--attach", &pid]);
    let mut client = command.stderr(fs::File::create(&notes)?).spawn()?;
    let mut socket = None;
    let said = wait_until(Duration::from_secs(60), || {
        let text = fs::read_to_string(&notes).unwrap_or_default();
        socket =
            text.split_once("`SSH_AUTH_SOCK=").and_then(|(_, rest)| Some(rest.split_once('`')?.0.to_owned()));
        socket.is_some()
    });
    if let Some(socket) = &socket {
        keys.world.write(&keys.home("socket.new"), socket)?;
        fs::rename(keys.home("socket.new"), keys.home("socket"))?;
    }
    let done = said && wait_until(Duration::from_secs(30), || keys.home("done").exists());
    tree.kill()?;
    tree.wait()?;
    client.wait()?;
    assert!(done, "{}", fs::read_to_string(&notes)?);
    assert!(!fs::read_to_string(keys.home("before"))?.contains("SHA256:"));
    assert!(fs::read_to_string(keys.home("after"))?.contains("SHA256:"));
    Ok(())
}

#[test]
fn git_and_ssh_work_with_keys_of_the_users_own_agent() -> Result<()> {
    let Some(keys) = Keys::new()? else { return Ok(()) };
    let socket = keys.home("agent.sock");
    let socket = socket.to_str().context("path")?;
    let mut agent = keys.stay("ssh-agent", &["-D", "-a", socket])?;
    assert!(wait_until(Duration::from_secs(10), || fs::exists(socket).unwrap_or(false)));
    let came = keys
        .outside(&format!("SSH_AUTH_SOCK={socket} ssh-add -q ~/.ssh/id_ed25519 && rm ~/.ssh/id_ed25519*"))
        .and_then(|_| clones_fetches_and_pushes(&keys, &[("SSH_AUTH_SOCK", socket)]));
    let around = keys.session(&[("SSH_AUTH_SOCK", socket)], &format!("SSH_AUTH_SOCK={socket} ssh-add -l"));
    agent.kill()?;
    agent.wait()?;
    came?;
    let (summary, output) = around?;
    assert!(!text(&output).contains("SHA256:"), "the agent itself is closed: {output:?}");
    // What connects is refused, or ended where nothing can refuse it.
    assert_eq!(
        summary["denied"].as_u64().zip(summary["stopped"].as_u64()).map(|(a, b)| a + b),
        Some(1),
        "{summary}"
    );
    Ok(())
}

#[test]
fn commits_are_signed_with_a_key_of_ssh() -> Result<()> {
    let Some(keys) = Keys::new()? else { return Ok(()) };
    for named in ["~/.ssh/id_ed25519.pub", "~/.ssh/id_ed25519"] {
        let script = format!(
            "set -e; rm -rf signed; git init -q signed; cd signed; git config gpg.format ssh
             git config user.signingkey {named}; echo x > x; git add x; git commit -q -S -m signed"
        );
        let (summary, output) = keys.session(&[], &script)?;
        assert_clean(&summary, &output);
        assert_eq!(uses(&summary), [("git".to_owned(), false)], "{summary}");
        keys.outside(
            "set -e; cd signed; (echo -n 'me@example.org '; cat ~/.ssh/id_ed25519.pub) > ../signers
             git -c gpg.format=ssh -c gpg.ssh.allowedSignersFile=../signers verify-commit HEAD",
        )?;
    }
    Ok(())
}

#[test]
fn commits_are_signed_with_a_key_of_gpg() -> Result<()> {
    let Some(keys) = Keys::new()? else { return Ok(()) };
    if !has("gpg") || !has("gpgconf") {
        println!("skipped: there is no gpg");
        return Ok(());
    }
    keys.outside(
        "mkdir -m 700 ~/.gnupg; gpg --batch --quiet --passphrase '' --quick-gen-key 'me <me@example.org>' default default never
         echo CANARY > ~/.gnupg/canary",
    )?;
    let script = "set -e; git init -q signed; cd signed; echo x > x; git add x; git commit -q -S -m signed";
    let (summary, output) = keys.session(&[], script)?;
    let verified = keys.outside("cd signed && git verify-commit HEAD");
    let attempts = "gpg --batch --pinentry-mode loopback --passphrase '' --armor --export-secret-keys
        cat ~/.gnupg/private-keys-v1.d/*
        echo secret | gpg --batch --trust-model always -q -e -r me@example.org > m; gpg --batch -d m
        gpg --homedir ~/.gnupg --batch --armor --export-secret-keys
        gpg --batch -o - --enarmor ~/.gnupg/canary
        cp m ~/.gnupg/gpg-agent.conf; gpg --batch --yes -o ~/.gnupg/gpg-agent.conf --dearmor m";
    let came = keys.session(&[], attempts);
    keys.outside("gpgconf --kill gpg-agent")?;
    assert_clean(&summary, &output);
    assert_eq!(uses(&summary), [("gpg".to_owned(), false)], "{summary}");
    verified?;
    let (summary, output) = came?;
    let said = text(&output);
    assert!(!said.contains("PRIVATE KEY") && !said.contains("protected-private-key"), "{said}");
    assert!(!said.contains("secret\n") && !said.contains("BEGIN PGP ARMORED FILE"), "{said}");
    assert!(uses(&summary).iter().all(|(purpose, refused)| purpose == "gpg" && *refused), "{summary}");
    assert!(
        !fs::exists(keys.home(".gnupg/gpg-agent.conf"))?
            || fs::metadata(keys.home(".gnupg/gpg-agent.conf"))?.len() == 0
    );
    for how in [
        "`gpg --export-secret-keys`",
        "`gpg --decrypt`",
        "`gpg --enarmor` of a file beside the keys",
        "`gpg --dearmor -o ~/.gnupg/gpg-agent.conf`",
    ] {
        bypass::came(DRIVEN, how, "a user", Fate::Refused);
    }
    Ok(())
}

/// The program that drives `ssh`.
#[test]
fn program() -> Result<()> {
    drive::serve()
}

/// Whoever drives `ssh` gets what `ssh` gets: outside a session the key, inside nothing.
#[test]
fn a_key_is_not_read_by_who_drives_ssh() -> Result<()> {
    let Some(keys) = Keys::new()? else { return Ok(()) };
    for way in drive::WAYS {
        let script = keys.driver(way)?;
        let outside = keys.outside(&format!("{script}; true"))?;
        if !outside.contains("PRIVATE KEY") {
            println!("skipped: the way `{way}` leads nowhere here: {outside}");
            continue;
        }
        let (summary, output) = keys.session(&[], &format!("{script}; true"))?;
        let said = text(&output);
        assert!(said.contains("ended: ") || way == "traced", "{way}: {said}");
        assert!(!said.contains("PRIVATE") && !said.contains("b3BlbnNzaC1rZXktdjE"), "{way}: {said}");
        let refused = ["looks", "denied"].map(|field| summary[field].as_u64().unwrap_or(0));
        assert!(refused.iter().sum::<u64>() >= 1, "{way} did not try: {summary}");
        let how = match way {
            "interpreter" => "a dynamic loader of the session's own, mounted under the real `ssh`",
            "memory" => "`/proc/PID/mem` of the session's own `ssh`",
            "descriptor" => "`pidfd_getfd` from an `ssh` that stands still on a full pipe",
            _ => "an `ssh` that is traced",
        };
        bypass::came(DRIVEN, how, "a user", Fate::Refused);
    }
    Ok(())
}

/// The process that has the keys acts as the user, and is closed to the user's other processes: they neither look into it nor
/// end it, and cannot keep others from it.
#[test]
fn what_uses_the_keys_is_out_of_reach() -> Result<()> {
    let Some(keys) = Keys::new()? else { return Ok(()) };
    let script = format!(
        "for p in /proc/[0-9]*; do
            if grep -qz '^broker$' $p/cmdline && grep -qE \"^Uid:.[0-9]+.$(id -u).\" $p/status; then
                echo found
                for f in mem environ maps fd/0; do head -c 1 $p/$f >/dev/null 2>&1 && echo open $f; done
                ls $p/root >/dev/null 2>&1 && echo open root; (echo x > $p/mem) 2>/dev/null && echo open mem
                for s in STOP TERM KILL; do kill -$s ${{p#/proc/}} 2>/dev/null && echo open $s; done
            fi
         done
         {}
         ssh-add -l",
        keys.driver(drive::FLOOD)?
    );
    let (_, output) = keys.session(&[], &script)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("found") && !said.contains("open"), "{}", text(&output));
    let away = said.lines().find_map(|line| line.strip_prefix("turned away: ")?.parse::<usize>().ok());
    assert!(away >= Some(drive::CONNECTIONS - 64), "{said}");
    assert!(said.contains("SHA256:"), "keys are used on: {}", text(&output));
    Ok(())
}

/// Where what uses the keys is gone all the same (root ended it), whoever asks is refused at once, and it is said.
#[test]
fn what_is_gone_is_said() -> Result<()> {
    let Some(keys) = Keys::new()? else { return Ok(()) };
    let ended = std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            keys.session(
                &[],
                "touch ~/there; until test -e ~/gone; do sleep 0.1; done; timeout 20 ssh-add -l; echo $?",
            )
        });
        let there = wait_until(Duration::from_secs(60), || keys.home("there").exists());
        let killed = end_to_end::keys::brokers(keys.world.user.id)
            .into_iter()
            .filter_map(|pid| rustix::process::Pid::from_raw(pid.cast_signed()))
            .map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL))
            .filter(Result::is_ok)
            .count();
        std::thread::sleep(Duration::from_millis(500));
        keys.outside("touch ~/gone")?;
        let ended = running.join().map_err(|_| anyhow::anyhow!("panicked"))??;
        anyhow::Ok((there, killed, ended))
    })?;
    let (there, killed, (summary, output)) = ended;
    assert!(there && killed == 1, "{killed}: {output:?}");
    // ssh-add(1): it could not reach an agent.
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2\n", "{}", text(&output));
    assert_eq!(uses(&summary), [("agent".to_owned(), true)], "{summary}");
    let why = summary["keys"][0]["used"]["refused"].as_str().context("no reason")?;
    assert!(why.contains("has ended: begin the session anew"), "{why}");
    Ok(())
}

/// What no program inside gets, by itself or through `ssh`.
#[test]
fn a_key_is_read_by_nobody() -> Result<()> {
    let Some(keys) = Keys::new()? else { return Ok(()) };
    let socket = keys.home("own.sock");
    let script = format!(
        "cat ~/.ssh/id_ed25519; cat ~/.ssh/canary; ls ~/.ssh
         ssh -F ~/.ssh/id_ed25519 x true; ssh -F ~/.ssh/canary x true
         ssh-keygen -y -f ~/.ssh/id_ed25519
         LD_PRELOAD=/nowhere.so ssh -F ~/.ssh/id_ed25519 x true
         eval $(ssh-agent -a {own}); ssh -o IdentityAgent={own} -o AddKeysToAgent=yes -i ~/.ssh/id_ed25519 {server} true
         ssh-add -L; ssh-add ~/.ssh/id_ed25519; ssh-add -L; kill $SSH_AGENT_PID; true",
        own = socket.display(),
        server = keys.server(),
    );
    let (_, output) = keys.session(&[], &script)?;
    let said = text(&output);
    for secret in ["PRIVATE", "b3BlbnNzaC1rZXktdjE", "CANARY", "Bad configuration option"] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
    assert!(!said.contains("Identity added"), "{said}");
    for how in [
        "`ssh -F KEY`, which prints it",
        "`ssh` with `LD_PRELOAD`",
        "`ssh-keygen -y -f KEY`",
        "`ssh -o AddKeysToAgent`, into an agent of the session's own",
        "`ssh-add KEY`",
    ] {
        bypass::came(DRIVEN, how, "a user", Fate::Refused);
    }
    Ok(())
}

#[test]
fn what_ssh_writes_in_its_directory_is_refused() -> Result<()> {
    let Some(keys) = Keys::new()? else { return Ok(()) };
    let before = |name: &str| fs::read_to_string(keys.home(name));
    let files = [".ssh/authorized_keys", ".ssh/config", ".ssh/known_hosts"];
    keys.world.write(&keys.home(".ssh/config"), "Host box\n  User somebody\n")?;
    let old: Vec<String> = files.iter().map(|name| before(name)).collect::<Result<_, _>>()?;
    let script = format!(
        "ssh -o HostKeyAlias=pty -o HashKnownHosts=no -o StrictHostKeyChecking=accept-new \
             -o UserKnownHostsFile=~/.ssh/authorized_keys {server} true
         ssh -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -E ~/.ssh/config -o ProxyCommand=true x true
         ssh -E ~/.ssh/new -o ProxyCommand=true x true
         ssh -G box | grep '^user somebody'; true",
        server = keys.server(),
    );
    let (summary, output) = keys.session(&[], &script)?;
    assert!(String::from_utf8_lossy(&output.stdout).contains("user somebody"), "ssh reads it: {output:?}");
    let new: Vec<String> = files.iter().map(|name| before(name)).collect::<Result<_, _>>()?;
    assert_eq!(new, old, "{}", text(&output));
    // Where the file is made before it is refused, it stays empty.
    assert_eq!(fs::read(keys.home(".ssh/new")).unwrap_or_default(), b"", "{}", text(&output));
    assert!(summary["denied"].as_u64() >= Some(2), "{summary}");
    for how in
        ["`ssh -o UserKnownHostsFile=~/.ssh/authorized_keys`, which plants a login", "`ssh -E ~/.ssh/config`"]
    {
        bypass::came(DRIVEN, how, "a user", Fate::Refused);
    }
    Ok(())
}

/// A host that the user never met gets no signature, whatever the session says of it; nor does one that was forwarded to.
#[test]
fn nothing_is_signed_for_a_host_that_the_user_does_not_know() -> Result<()> {
    let Some(mut keys) = Keys::new()? else { return Ok(()) };
    keys.generate("other_key")?;
    keys.serve("other_key")?;
    let script = format!(
        "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null {} true",
        keys.server()
    );
    let (summary, output) = keys.session(&[], &script)?;
    assert!(!output.status.success(), "{output:?}");
    assert!(text(&output).contains("agent refused operation"), "{}", text(&output));
    assert_eq!(uses(&summary), [("ssh".to_owned(), true)], "{summary}");
    let why = summary["keys"][0]["used"]["refused"].as_str().context("no reason")?;
    assert!(why.contains("known_hosts") && why.contains("outside the session"), "{why}");
    assert_eq!(summary["denied"], 0, "{summary}");
    Ok(())
}

#[test]
fn messages_for_other_uses_are_not_signed() -> Result<()> {
    let Some(keys) = Keys::new()? else { return Ok(()) };
    let script = "echo x > x; ssh-keygen -Y sign -n file -f ~/.ssh/id_ed25519.pub x; test ! -e x.sig";
    let (summary, output) = keys.session(&[], script)?;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(uses(&summary), [("agent".to_owned(), true)], "{summary}");
    Ok(())
}

/// The socket is the session's: another process of the same user gets no word from it.
#[test]
fn nobody_outside_reaches_a_sessions_keys() -> Result<()> {
    let Some(keys) = Keys::new()? else { return Ok(()) };
    let socket = keys.home("socket");
    let session = std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            keys.session(
                &[],
                "ssh-add -l; echo $SSH_AUTH_SOCK > ~/socket; until test -e ~/done; do sleep 0.1; done",
            )
        });
        let there =
            wait_until(Duration::from_secs(60), || fs::read(&socket).is_ok_and(|path| path.ends_with(b"\n")));
        let outside = keys.outside("SSH_AUTH_SOCK=$(cat ~/socket) ssh-add -l 2>&1 || true");
        keys.outside("touch ~/done")?;
        anyhow::Ok((there, outside?, running.join().map_err(|_| anyhow::anyhow!("panicked"))??))
    })?;
    let (there, outside, (_, output)) = session;
    assert!(there && text(&output).contains("SHA256:"), "{output:?}");
    assert!(!outside.contains("SHA256:"), "{outside}");
    let directory = fs::read_to_string(&socket)?;
    let directory = std::path::Path::new(directory.trim()).parent().context("no directory")?;
    assert!(!directory.exists(), "it goes with the session");
    Ok(())
}
