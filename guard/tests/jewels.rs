//! The first stage on this host's kernel: a key is refused at the first attempt, by whatever way it is reached for.
//! Needs root and BPF; without root it says so.

#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod scene;

use bstr::ByteSlice;
use event::{Fate, Means, Mode, Stage};
use scene::Scene;

const SECRET: &str = "THE-SECRET-BYTES";

fn scene() -> Option<Scene> {
    let scene = Scene::new("jewels")?;
    scene.write("home/.ssh/id_ed25519", SECRET);
    scene.write("home/.ssh/notes", SECRET);
    scene.write("home/.aws/credentials", SECRET);
    scene.write("home/notes.txt", "plain");
    scene.write("home/.bashrc", "plain");
    std::fs::hard_link(scene.path("home/.ssh/id_ed25519"), scene.path("home/old-link")).unwrap();
    std::os::unix::fs::symlink(".ssh", scene.path("home/keys")).unwrap();
    Some(scene)
}

#[test]
fn a_key_is_refused_by_every_way() {
    let Some(mut scene) = scene() else { return };
    let home = scene.path("home");
    let home = home.to_str().unwrap();
    let ways = [
        format!("cat {home}/.ssh/id_ed25519"),
        format!("cat {home}/keys/id_ed25519"),
        format!("cat /proc/self/root{home}/.ssh/id_ed25519"),
        format!("cd {home}/.ssh && cat ./id_ed25519"),
        format!("cd /usr && cat ../{home}/x/../.ssh//id_ed25519 || cat ..{home}/.ssh//id_ed25519"),
        format!("cat {home}/old-link"),
        format!("exec 3< {home}/.ssh/id_ed25519; cat <&3"),
        format!("cat {home}/.aws/credentials"),
        format!("cp {home}/.ssh/notes /dev/stdout"),
        format!("ls {home}/.ssh"),
        format!("dd if={home}/.ssh/id_ed25519 bs=1 count=4"),
        format!("(setsid sh -c 'cat {home}/.ssh/id_ed25519' ) & wait"),
        format!("chmod 777 {home}/.ssh/id_ed25519; cat {home}/.ssh/id_ed25519"),
        format!("ln -s {home}/.ssh/id_ed25519 /tmp/l-$$; cat /tmp/l-$$; rm -f /tmp/l-$$"),
        format!(
            "mkdir -p {home}/m; mount --bind {home}/.ssh {home}/m; cat {home}/m/id_ed25519; umount {home}/m"
        ),
        format!(
            "unshare -m sh -c 'mount -t tmpfs none /mnt; mkdir /mnt/a; mount --bind {home} /mnt/a; cat /mnt/a/.ssh/notes'"
        ),
    ];
    for way in &ways {
        let free = scene.run(way, false);
        assert!(
            free.stdout.contains_str(SECRET) || way.starts_with("ls") || way.starts_with("dd"),
            "no test: {way}"
        );
    }
    let mut live = scene.open(Mode::Enforce, None, None);
    for way in &ways {
        let output = scene.inside(way);
        assert!(!output.stdout.contains_str("THE"), "{way}: {output:?}");
        assert!(!output.stdout.contains_str("id_ed25519"), "{way}: {output:?}");
    }
    let plain = scene.inside(&format!("cat {home}/notes.txt {home}/.bashrc"));
    assert_eq!(plain.stdout.as_bstr(), "plainplain");
    let appended = scene.inside(&format!("echo x >> {home}/.bashrc"));
    assert!(!appended.status.success());
    scene.pump(&mut live);
    let latency = live.is_guarded();
    let (report, _) = live.finish(Some(0));
    println!("{:?}", report.fanotify);
    assert!(latency);
    assert_eq!(report.stopped_by, Some(Stage::T0));
    assert!(report.denied >= ways.len() as u64, "{} denials of {}", report.denied, ways.len());
    assert!(
        // What has no means beforehand is stopped when it has happened: a change of mode.
        report.denials.iter().all(|d| {
            let fate = if d.means == Means::Kill { Fate::Stopped } else { Fate::Refused };
            d.stage == Stage::T0 && d.fate == fate && (d.means != Means::Kill || d.op == "chmod")
        }),
        "{:?}",
        report.denials
    );
    assert!(report.denials.iter().any(|d| matches!(d.means, Means::Fanotify | Means::Lsm)));
    assert_eq!(report.lost, 0);
    assert!(
        scene.run(&format!("cat {home}/.ssh/id_ed25519"), false).stdout.contains_str(SECRET),
        "taken back"
    );
}

#[test]
fn a_jewel_that_is_moved_or_appears_later_stays_one() {
    let Some(mut scene) = scene() else { return };
    let home = scene.path("home");
    let home = home.to_str().unwrap();
    // Where nothing refuses that, who moves it is ended, and an enforced session would stand still.
    let live = scene.open(Mode::Record, None, None);
    scene.inside(&format!("mv {home}/.ssh {home}/elsewhere"));
    scene.inside(&format!("mv {home}/.aws/credentials {home}/elsewhere.txt"));
    for path in
        [".ssh/id_ed25519", "elsewhere/id_ed25519", "elsewhere/notes", "elsewhere.txt", ".aws/credentials"]
    {
        let output = scene.inside(&format!("cat {home}/{path}"));
        assert!(!output.stdout.contains_str("THE"), "{path}: {output:?}");
    }
    // Another program replaces a credential atomically, or makes one, while the session runs.
    scene.write("home/netrc.tmp", SECRET);
    std::fs::rename(scene.path("home/netrc.tmp"), scene.path("home/.netrc")).unwrap();
    let output = scene.inside(&format!("cat {home}/.netrc"));
    assert!(!output.stdout.contains_str("THE"), "{output:?}");
    drop(live);
}

#[test]
fn thousands_of_attempts_from_many_threads_get_nothing() {
    let Some(mut scene) = scene() else { return };
    let home = scene.path("home");
    let home = home.to_str().unwrap();
    let mut live = scene.open(Mode::Enforce, None, None);
    let script = format!(
        "import threading\nok=[0]\nbad=[0]\ndef run():\n for i in range(250):\n  try:\n   open('{home}/.ssh/id_ed25519').read(); ok[0]+=1\n  \
         except PermissionError: bad[0]+=1\nt=[threading.Thread(target=run) for _ in range(8)]\n[x.start() for x in t]\n\
         [x.join() for x in t]\nprint(ok[0], bad[0])"
    );
    let output = scene.inside(&format!("python3 -c \"{script}\""));
    if output.stderr.contains_str("not found") {
        eprintln!("skipped: no python3");
        return;
    }
    assert_eq!(output.stdout.trim_end().as_bstr(), "0 2000", "{output:?}");
    scene.pump(&mut live);
    let (report, _) = live.finish(None);
    println!("{:?} after {} operations", report.fanotify, report.operations_before_denial);
    assert_eq!((report.denied, report.lost), (2000, 0));
}

#[test]
fn a_shadow_session_and_everybody_else_read_on() {
    let Some(mut scene) = scene() else { return };
    let home = scene.path("home");
    let home = home.to_str().unwrap();
    let mut live = scene.open(Mode::Shadow, None, None);
    let output = scene.inside(&format!("cat {home}/.ssh/id_ed25519"));
    assert_eq!(output.stdout.as_bstr(), SECRET);
    assert_eq!(scene.run(&format!("cat {home}/.ssh/id_ed25519"), false).stdout.as_bstr(), SECRET);
    scene.pump(&mut live);
    let (report, _) = live.finish(None);
    assert_eq!((report.denied, report.stopped_by), (0, None));
    assert!(report.happened >= 1, "{report:?}");
}

/// `ssh` has no right of its own: what it needs is everybody's to read, and nobody's to change.
#[test]
fn what_holds_no_secret_beside_a_key_is_read_and_not_changed() {
    let Some(mut scene) = scene() else { return };
    scene.write("home/.ssh/config", "Host box\n  User somebody\n");
    scene.write("home/.ssh/known_hosts", "-----BEGIN OPENSSH PRIVATE KEY-----\n");
    let home = scene.path("home");
    let home = home.to_str().unwrap();
    let mut live = scene.open(Mode::Enforce, None, None);
    let read = scene.inside(&format!("cat {home}/.ssh/config"));
    assert!(read.stdout.contains_str("somebody"), "{read:?}");
    for way in [
        format!("echo evil >> {home}/.ssh/config; cat {home}/.ssh/config | grep evil"),
        format!("cat {home}/.ssh/known_hosts"),
        format!("/usr/bin/ssh -F {home}/.ssh/id_ed25519 box 2>&1 | grep THE"),
        format!("/usr/bin/ssh -F {home}/.ssh/notes box 2>&1 | grep THE"),
    ] {
        let output = scene.inside(&way);
        assert!(output.stdout.is_empty(), "{way}: {output:?}");
    }
    scene.pump(&mut live);
    let (report, _) = live.finish(None);
    assert!(report.denied + report.looks >= 3, "{report:?}");
    assert!(report.denials.iter().all(|denial| denial.stage == Stage::T0), "{report:?}");
}
