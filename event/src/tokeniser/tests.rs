use super::*;
use crate::File;

fn event(op: Op, path: &str, access: Access) -> Event {
    Event {
        time_ns: 1,
        pid: 10,
        tid: 10,
        outcome: Outcome::Done(3),
        ..Event::of(
            op,
            access,
            Object::File(File { path: path.into(), key: None, mode: 0o100644, origin: Origin::Trusted }),
        )
    }
}

fn tokeniser() -> Tokeniser {
    Tokeniser::new(Context {
        workspaces: vec!["/w/app".into()],
        home: "/home/u".into(),
        ..Context::default()
    })
}

#[test]
fn a_token_says_what_it_was_made_of() {
    let step = tokeniser().read(&event(Op::Open, "/w/app/a.rs", Access::READ));
    assert_eq!(step.token.op(), Some(Op::Open));
    assert_eq!(step.token.class(), Class::Workspace);
    assert_eq!(step.token.describe(), "open workspace read");
}

#[test]
fn the_same_place_in_another_workspace_is_the_same_place() {
    let place = tokeniser().place(&event(Op::Open, "/w/app/src/a.rs", Access::READ)).unwrap();
    assert_eq!(*place.components, ["$workspace", "src", "a.rs"]);
}

#[test]
fn what_git_keeps_for_itself_is_one_place_and_what_it_obeys_is_not() {
    let of = |path: &str| tokeniser().symbolic(path.as_bytes(), Reach::Write);
    for path in
        ["/w/app/.git/index.stash.8569.lock", "/w/app/.git/refs/heads/topic", "/w/app/.git/objects/7a"]
    {
        assert_eq!(of(path), ["$workspace", ".git", "$state"], "{path}");
    }
    assert_eq!(of("/w/app/.git/hooks/pre-commit"), ["$workspace", ".git", "hooks", "pre-commit"]);
    assert_eq!(of("/w/app/.git/config"), ["$workspace", ".git", "config"]);
    assert_eq!(of("/w/app/.git"), ["$workspace", ".git"]);
    assert_eq!(of("/home/u/other/.git/refs/heads/topic").len(), 6);
}

#[test]
fn names_that_a_session_determines_are_symbols_in_the_home_and_programs_are_not() {
    let of = |path: &str, reach| BString::from(bstr::join("/", tokeniser().symbolic(path.as_bytes(), reach)));
    for (path, reach, expected) in [
        (
            "/home/u/.claude/projects/-w-app/0198f3c2-cafe-7def-abcd-0123456789ab.jsonl",
            Reach::Create,
            "$home/.claude/projects/$repository/#.jsonl",
        ),
        ("/home/u/.claude.json.tmp.4711.1700000000", Reach::Create, "$home/.claude.json.tmp.#"),
        ("/home/u/.npm/_npx/3f9a81c2d4e5/bin/x", Reach::Read, "$home/.npm/_npx/#/bin/x"),
        ("/home/u/.npm/_npx/3f9a81c2d4e5/bin/x", Reach::Exec, "$home/.npm/_npx/3f9a81c2d4e5/bin/x"),
        ("/srv/2026/x", Reach::Read, "//srv/2026/x"),
        ("/w/app/2026", Reach::Read, "$workspace/2026"),
    ] {
        assert_eq!(of(path, reach), expected, "{path}");
    }
}

#[test]
fn a_file_system_that_only_a_sandbox_mounts_has_no_number() {
    let place = tokeniser().place(&event(Op::Open, "[0:41]/newroot/etc", Access::READ)).unwrap();
    assert_eq!(*place.components, ["$unmounted", "newroot", "etc"]);
}

#[test]
fn what_the_session_made_has_no_place_the_second_time() {
    let mut tokeniser = tokeniser();
    let made = tokeniser.read(&event(Op::Open, "/home/u/n", Access::WRITE | Access::NEW));
    assert_eq!(made.place.unwrap().reach, Reach::Create);
    let again = tokeniser.read(&event(Op::Open, "/home/u/n", Access::READ));
    assert_eq!(again.place, None);
    assert!(again.token.is_own());
}

#[test]
fn an_abstract_socket_has_a_place_unless_the_session_has_bound_it() {
    let at = |op, path: &str| {
        let mut event = event(op, path, Access::empty());
        let Object::File(file) = event.object else { panic!("no file") };
        event.object = Object::Unix(file);
        event
    };
    let mut tokeniser = tokeniser();
    let other = tokeniser.read(&at(Op::Connect, "\0bus")).place.unwrap();
    assert_eq!((other.reach, &*other.components), (Reach::Unix, &[ABSTRACT.into(), "bus".into()][..]));
    tokeniser.read(&at(Op::Bind, "\0own"));
    assert_eq!(tokeniser.read(&at(Op::Connect, "\0own")).place, None);
}

#[test]
fn a_script_is_started_and_its_interpreter_too() {
    let name = |path: &str| {
        let file = File { path: path.into(), key: None, mode: 0, origin: Origin::Claimed };
        Some(Object::File(file))
    };
    let exec = |script: &str| {
        let mut exec = event(Op::Exec, "/usr/bin/dash", Access::EXEC);
        let Object::File(file) = exec.object else { panic!("no file") };
        exec.object = Object::Exe(crate::Exe { file, args: Vec::new(), args_cut: false });
        exec.second = name(script);
        exec
    };
    let mut tokeniser = tokeniser();
    let step = tokeniser.read(&exec("/home/u/bin/tool"));
    let taught: Vec<_> = step.taught().map(|place| (place.reach, place.components.to_vec())).collect();
    let of = |names: &[&str]| (Reach::Exec, names.iter().map(|name| BString::from(*name)).collect());
    assert_eq!(taught, [of(&["/", "usr", "bin", "dash"]), of(&["$home", "bin", "tool"])]);
    assert_eq!(tokeniser.read(&exec("/dev/fd/7/tool")).second, None);
    let failed = Event { outcome: Outcome::Failed(1), ..exec("/home/u/bin/tool") };
    assert_eq!(tokeniser.read(&failed).second, None);
    tokeniser.read(&event(Op::Open, "/home/u/made", Access::WRITE | Access::NEW));
    assert_eq!(tokeniser.read(&exec("/home/u/made")).second, None);
}

#[test]
fn what_something_is_moved_to_is_made_and_what_is_linked_is_read() {
    let of = |op: Op, origin: Origin| {
        let mut event = event(op, "/home/u/old", Access::empty());
        let new = File { path: "/home/u/new".into(), key: None, mode: 0, origin };
        event.second = Some(Object::File(new));
        let step = tokeniser().read(&event);
        step.taught().map(|place| (place.reach, place.components[1].to_string())).collect::<Vec<_>>()
    };
    let (old, new) = ("old".to_owned(), "new".to_owned());
    let moved = [(Reach::Remove, old.clone()), (Reach::Create, new.clone())];
    assert_eq!(of(Op::Rename, Origin::Trusted), moved);
    assert_eq!(of(Op::Rename, Origin::Claimed), moved[..1]);
    assert_eq!(of(Op::Link, Origin::Trusted), [(Reach::Create, new), (Reach::Read, old)]);
}

#[test]
fn what_failed_behind_the_question_teaches_what_it_would_have_as_done() {
    let taught = |op: Op, object: Object, errno: i32| {
        let failed = Event { outcome: Outcome::Failed(errno), object, ..event(op, "/", Access::CONNECT) };
        tokeniser().read(&failed).taught().count()
    };
    let file = |origin| File { path: "/home/u/x".into(), key: None, mode: 0, origin };
    let address = || {
        Object::Address(Address { ip: "10.255.255.53".parse().unwrap(), port: 53, protocol: 17, host: None })
    };
    for errno in [101, 110, 111, 113, 115] {
        assert_eq!(taught(Op::Connect, address(), errno), 1, "{errno}");
    }
    for errno in [1, 13] {
        assert_eq!(taught(Op::Connect, address(), errno), 0, "{errno}");
    }
    assert_eq!(taught(Op::Bind, address(), 98), 0);
    assert_eq!(taught(Op::Connect, Object::Unix(file(Origin::Trusted)), 111), 1);
    assert_eq!(taught(Op::Connect, Object::Unix(file(Origin::Claimed)), 111), 0);
    assert_eq!(taught(Op::Rmdir, Object::File(file(Origin::Trusted)), 39), 1);
    assert_eq!(taught(Op::Unlink, Object::File(file(Origin::Claimed)), 2), 0);
}

#[test]
fn a_pipe_without_a_name_is_no_place() {
    let mut open = event(Op::Open, "[0:15]/.../", Access::READ);
    let Object::File(pipe) = &mut open.object else { panic!("no file") };
    (pipe.mode, pipe.origin) = (0o010_600, Origin::Unresolved);
    assert_eq!(tokeniser().place(&open), None);
}

#[test]
fn a_name_counts_where_it_is_believed() {
    let mut connect = event(Op::Connect, "/", Access::CONNECT);
    let mut host = |origin| {
        let host = crate::Host { name: "api.example.org".into(), origin, shared: false };
        connect.object = Object::Address(Address {
            ip: "203.0.113.7".parse().unwrap(),
            port: 443,
            protocol: 6,
            host: Some(host),
        });
        let of = |tokeniser: Tokeniser| tokeniser.place(&connect).unwrap().components;
        (of(tokeniser()), of(Tokeniser::guarding(Context::default())))
    };
    let address = || ["$net4", "203", "0", "113", "7", "443"].map(BString::from).into();
    let named = || ["$host", "org", "example", "api", ":443"].map(BString::from).into();
    assert_eq!(host(HostOrigin::Claimed), (address(), address()));
    assert_eq!(host(HostOrigin::Answered), (named(), address()));
    assert_eq!(host(HostOrigin::Resolved), (named(), named()));
}

#[test]
fn a_configured_name_server_is_no_place_and_what_it_is_asked_for_is() {
    let resolvers = vec!["198.51.100.53".parse().unwrap()];
    let tokeniser = Tokeniser::new(Context { resolvers, ..Context::default() });
    let place = |op, ip: &str, port| {
        let host =
            Some(crate::Host { name: "dns.example".into(), origin: HostOrigin::Answered, shared: false });
        let address = Address { ip: ip.parse().unwrap(), port, protocol: 17, host };
        let event = Event { object: Object::Address(address), ..event(op, "/", Access::CONNECT) };
        tokeniser.place(&event).map(|place| place.reach)
    };
    for (op, ip, port, reach) in [
        (Op::Connect, "198.51.100.53", 53, None),
        (Op::Send, "::ffff:198.51.100.53", 53, None),
        (Op::Lookup, "198.51.100.53", 53, Some(Reach::Name)),
        (Op::Connect, "198.51.100.53", 853, Some(Reach::Connect)),
        (Op::Connect, "198.51.100.54", 53, Some(Reach::Connect)),
        (Op::Bind, "198.51.100.53", 53, Some(Reach::Listen)),
    ] {
        assert_eq!(place(op, ip, port), reach, "{op:?} {ip} {port}");
    }
}

#[test]
fn classes_and_operations_fit_their_bits() {
    assert!(Class::ALL.len() <= 32);
    assert!(Op::ALL.iter().all(|&op| (op as u16) < 64));
}
