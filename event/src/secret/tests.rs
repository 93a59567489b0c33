//! Realistic secrets never survive, realistic arguments without one are unchanged.

use super::*;
use proptest::prelude::*;

const AWS: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY1";
const GITHUB: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
const JWT: &str =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P";
const RANDOM: &str = "q7Xk2LmP9sVt4RwZ8bNc3FhJ";

fn redacted(args: &[&str], cut: bool) -> Vec<String> {
    let mut args: Vec<BString> = args.iter().map(|arg| BString::from(*arg)).collect();
    Redactor::new([7; 32]).arguments(&mut args, cut);
    args.iter().map(ToString::to_string).collect()
}

/// Command lines, and the part of each that must not survive.
fn secrets() -> Vec<(Vec<&'static str>, &'static str)> {
    vec![
        (vec!["tool", "--password", "hunter2"], "hunter2"),
        (vec!["tool", "--password=correct horse; battery"], "correct"),
        (vec!["tool", "--db-pass=x"], "=x"),
        (vec!["java", "-Dspring.datasource.password=s3cr3t", "-jar", "a.jar"], "s3cr3t"),
        (vec!["mysql", "-uroot", "-phunter2", "db"], "hunter2"),
        (vec!["bash", "-c", "mysql -u root -phunter2 <dump.sql"], "hunter2"),
        (vec!["sshpass", "-p", "hunter2", "ssh", "-p", "2222", "box"], "hunter2"),
        (vec!["docker", "login", "-u", "me", "-p", "hunter2", "registry.example"], "hunter2"),
        (vec!["redis-cli", "-h", "db", "-a", "hunter2"], "hunter2"),
        (vec!["curl", "-u", "me:hunter2", "https://example.org"], "hunter2"),
        (vec!["curl", "-ume:hunter2", "https://example.org"], "hunter2"),
        (vec!["curl", "-H", "Authorization: Bearer abcdef"], "abcdef"),
        (vec!["curl", "-H", "authorization:token abcdef"], "abcdef"),
        (vec!["curl", "-H", "Authorization: Basic dXNlcjpwYXNz"], "dXNlcjpwYXNz"),
        (vec!["curl", "-H", "X-Api-Key: 0123-abc"], "0123-abc"),
        (vec!["bash", "-c", "curl -H \"Authorization: Bearer abc123\" https://example.org"], "abc123"),
        (vec!["curl", "-d", "{\"user\":\"me\",\"password\":\"hunter2\"}"], "hunter2"),
        (vec!["curl", "-d", "{\\\"api_key\\\": \\\"hunter-2\\\"}"], "hunter-2"),
        (vec!["curl", "-d", "grant=x&client_secret=hunter2&y=1"], "hunter2"),
        (vec!["curl", "https://example.org/?access_token=hunter2&x=1"], "hunter2"),
        (vec!["git", "clone", "https://me:hunter2@example.org/a.git"], "hunter2"),
        (vec!["git", "clone", "https://0123456789abcdef0123@example.org/a.git"], "0123456789abcdef0123"),
        (vec!["git", "clone", "https://0123abcd:x-oauth-basic@example.org/a.git"], "0123abcd"),
        (vec!["psql", "postgres://app:p%40ss@db:5432/app"], "p%40ss"),
        (vec!["env", "GITHUB_TOKEN=abc", "gh", "pr"], "abc"),
        (vec!["sh", "-c", "PGPASSWORD=hunter2 psql -c 'select 1'"], "hunter2"),
        (vec!["sh", "-c", "export STRIPE_KEY='hunter2'; npm test"], "hunter2"),
        (vec!["python", "-c", "connect(password=\"hunter2\")"], "hunter2"),
        (vec!["sh", "-c", "cat > c.yaml <<E\npassword: swordfish\nE"], "swordfish"),
        (vec!["npm", "config", "set", "//registry.example/:_authToken=abc-def"], "abc-def"),
        (vec!["openssl", "rsa", "-passin", "pass:hunter2"], "hunter2"),
        (vec!["kubectl", "create", "secret", "generic", "x", "--from-literal=password=hunter2"], "hunter2"),
        (vec!["sqlcmd", "-S", "db", "Server=db;User Id=me;Password=hunter2;Encrypt=no"], "hunter2"),
        (vec!["echo", GITHUB], "ghp_16C7"),
        (vec!["echo", "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz0123456789"], "11ABCDEFG0"),
        (vec!["echo", "prefix,AKIAIOSFODNN7EXAMPLE"], "AKIAIOSFODNN7EXAMPLE"),
        (vec!["echo", "sk-ant-api03-abcDEF123456789abcDEF123456789-xyz"], "api03-abc"),
        (vec!["echo", "sk-proj-abc123def456abc123def456abc123"], "abc123def456"),
        (vec!["echo", "glpat-abcdefghij0123456789"], "abcdefghij"),
        (vec!["echo", "xoxb-123456789012-abcdefABCDEF"], "abcdefABCDEF"),
        (vec!["echo", "hf_abcdefghijklmnopqrstuvwxyz012345"], "abcdefghij"),
        (vec!["echo", "npm_abcdefghijklmnopqrstuvwxyz0123456789"], "abcdefghij"),
        (vec!["echo", JWT], "eyJhbGci"),
        (vec!["echo", AWS], "wJalrXUtnFEMI"),
        (vec!["echo", RANDOM], RANDOM),
        (vec!["tool", "--upload", "key=q7Xk2LmP9sVt4RwZ8bNc3FhJ=="], RANDOM),
        (
            vec![
                "sh",
                "-c",
                "echo '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----' >k",
            ],
            "b3BlbnNzaC1rZXk",
        ),
        (vec!["echo", "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA"], "MIIEpAIBAAKCAQEA"),
    ]
}

#[test]
fn realistic_secrets_do_not_survive() {
    for (args, secret) in secrets() {
        let out = redacted(&args, false);
        assert!(!out.iter().any(|arg| arg.contains(secret)), "{args:?} became {out:?}");
        assert!(out.iter().any(|arg| arg.contains("<secret:")), "{args:?} became {out:?}");
        // What is around it stays: the program, and every argument without it.
        for (before, after) in args.iter().zip(&out).filter(|(before, _)| !before.contains(secret)) {
            assert_eq!(before, after, "{args:?} became {out:?}");
        }
    }
}

#[test]
fn only_the_secret_itself_is_replaced() {
    let hash = |text: &str| redacted(&["--password", text], false)[1].clone();
    let secret = hash("hunter2");
    assert_eq!(secret.len(), REPLACEMENT_BYTES);
    for (before, after) in [
        ("https://me:hunter2@example.org/a", format!("https://me:{secret}@example.org/a")),
        ("Authorization: Bearer hunter2", format!("Authorization: Bearer {secret}")),
        ("--password=hunter2", format!("--password={secret}")),
        ("a?x=1&token=hunter2&y=2", format!("a?x=1&token={secret}&y=2")),
        ("{\"password\":\"hunter2\",\"n\":1}", format!("{{\"password\":\"{secret}\",\"n\":1}}")),
    ] {
        assert_eq!(redacted(&[before], false), [after]);
    }
    assert_ne!(hash("hunter3"), secret);
    let mut other = [BString::from("--password"), BString::from("hunter2")];
    Redactor::new([8; 32]).arguments(&mut other, false);
    assert_ne!(other[1], secret, "another machine has another replacement");
}

#[test]
fn what_programs_use_every_day_is_unchanged() {
    for args in [
        &["git", "show", "8a5c9e8c3f1d2b4a6e7f8091a2b3c4d5e6f70819", "--stat"][..],
        &["git", "rev-parse", "8a5c9e8"],
        &["git", "commit", "-m", "Fix the token: the parser drops it; secret santa = fun"],
        &["git", "-c", "credential.helper=store", "fetch", "git@github.com:owner/repository.git"],
        &["git", "clone", "https://github.com/owner/repository.git", "ssh://git@host:22/x"],
        &["tool", "--id", "550e8400-e29b-41d4-a716-446655440000", "6BA7B810-9DAD-11D1-80B4-00C04FD430C8"],
        &["echo", "SGVsbG8sIHdvcmxkISBUaGlzIGlzIGEgc21hbGwgdGV4dCBmaWxlLgo="],
        &[
            "echo",
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
        ],
        &[
            "rustc",
            "--crate-name",
            "serde",
            "-C",
            "metadata=5f3c1d9e8a7b6c4d",
            "-C",
            "extra-filename=-0123456789abcdef",
        ],
        &[
            "rustc",
            "--extern",
            "serde=/home/u/app/target/debug/deps/libserde-5f3c1d9e8a7b6c4d.rmeta",
            "--cap-lints",
            "allow",
        ],
        &[
            "cc",
            "-o",
            "/home/u/projects/app/target/debug/build/libsqlite3-sys-9a8b7c6d5e4f3a2b/out/sqlite3/sqlite3.o",
        ],
        &[
            "node",
            "/home/u/.nvm/versions/node/v20.11.1/lib/node_modules/@scope/Package2/dist/cliMain.js",
            "--max-old-space-size=4096",
        ],
        &["ls", "/nix/store/0c5b6qk8w5j6z1v2m7x3y9a4b8d0f1g2-glibc-2.38-44/lib/ld-linux-x86-64.so.2"],
        &["ls", "/home/u/.cargo/registry/src/index.example-1949cf8c6b5b557f/proc-macro2-1.0.86/src/lib.rs"],
        &["/usr/libexec/Xorg", "-nolisten", "tcp", "MyVeryLongClassNameWithManyWordsIn2Parts"],
        &[
            "java",
            "-cp",
            "/opt/App/lib/SpringBootApplicationLauncher3.jar",
            "com.example.MyApplicationMainClass2024",
        ],
        &[
            "npm",
            "install",
            "left-pad@1.3.0",
            "--integrity=sha512-XI5MPzVNApjAyhQzphX8BkmKsKUxD4LdyK24iZeQGinBN9yTQT3bFlCBy/aVx2HrNcqQGsdot8ghrjyrvMCoEA==",
        ],
        &["ssh-keygen", "-lf", "SHA256:uNiVztksCsDhcc0u9e8BrdJJtQBnGkvYYQhsZKKO7Vg"],
        &[
            "sh",
            "-c",
            "echo ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me@box",
        ],
        &["go", "tool", "compile", "-buildid", "xR4uVh8gPq2LkW7nZ0aB/xR4uVh8gPq2LkW7nZ0aB", "-p", "main"],
        &["mkdir", "-p", "src/a/b"],
        &["ssh", "-p", "2222", "-o", "PasswordAuthentication=no", "box"],
        &["cargo", "test", "-p", "event", "--", "--test-threads=1"],
        &[
            "docker",
            "run",
            "-p",
            "8080:80",
            "-e",
            "MAX_TOKENS=4096",
            "image@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        ],
        &["docker", "build", "--secret", "id=npm,src=.npmrc", "."],
        &[
            "tool",
            "--token-file",
            "/run/token",
            "--password-file=pw",
            "--max-tokens",
            "100",
            "--no-password",
            "x",
        ],
        &["sh", "-c", "curl -H \"Authorization: Bearer $TOKEN\" -u \"me:${PASS}\" https://example.org"],
        &["sh", "-c", "TOKEN=$(cat t) PASSWORD=\"$PASSWORD\" make"],
        &[
            "python",
            "-c",
            "def f(token: str, password=None): self.token = token; f(token=token, password=os.environ['P'])",
        ],
        &[
            "cat",
            "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBa\n-----END CERTIFICATE-----",
        ],
        &["date", "+%Y-%m-%dT%H:%M:%S", "2024-05-01T12:34:56Z", "1714566896"],
        &["sort", "--key=2", "-k", "1,2"],
        &["ffmpeg", "-pass", "1", "-i", "a.mp4"],
        &["rg", "password|token|secret", "--glob", "!*.lock"],
        &["sed", "-i", "s/token/word/g", "src/token.rs"],
        &["gcc", "-D_FORTIFY_SOURCE=2", "-Wl,--build-id=sha1", "-DVERSION=\"1.2.3\""],
        &["", "-", "--", "=", ":", "://", "@", "a=", "=b", "\u{e9}=\u{e9}"],
    ] {
        assert_eq!(redacted(args, false), args);
    }
}

#[test]
fn what_a_cut_may_have_left_of_a_secret_goes_too() {
    assert!(redacted(&["echo", "ghp_16C7e4"], true)[1].starts_with("<secret:"));
    assert!(redacted(&["echo", "q7Xk2LmP9sVt4R"], true)[1].starts_with("<secret:"));
    assert!(redacted(&["echo", "-----BEGIN RSA PRI"], true)[1].starts_with("<secret:"));
    assert_eq!(redacted(&["echo", "q7Xk2LmP9sVt4R", "x"], true)[1], "q7Xk2LmP9sVt4R");
}

#[test]
fn an_argument_of_nothing_but_secrets_is_replaced_whole() {
    let many = "https://me:hunter2@h ".repeat(REPLACEMENTS_MAX + 1);
    assert_eq!(redacted(&[&many], false)[0].len(), REPLACEMENT_BYTES);
}

/// Pieces of which command lines are put together.
fn piece() -> impl Strategy<Value = String> {
    let secrets: Vec<&str> = secrets().into_iter().flat_map(|(args, _)| args).collect();
    prop_oneof![
        prop::sample::select(secrets).prop_map(str::to_owned),
        "[ -~]{0,40}",
        "(--)?(password|token|api-key|Authorization)( |=|: |:)?(Bearer )?[!-~]{0,12}",
        "<secret:[0-9a-f]{7,9}>?",
        "[a-zA-Z0-9+/]{10,40}={0,2}",
        any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn twice_is_as_once_and_bounded(pieces in prop::collection::vec(prop::collection::vec(piece(), 0..4), 0..5), cut: bool) {
        let mut args: Vec<BString> = pieces.iter().map(|arg| arg.concat().into()).collect();
        let before: Vec<usize> = args.iter().map(|arg| arg.len()).collect();
        let redactor = Redactor::new([1; 32]);
        redactor.arguments(&mut args, cut);
        for (arg, before) in args.iter().zip(before) {
            prop_assert!(arg.len() <= before + REPLACEMENTS_MAX * REPLACEMENT_BYTES);
        }
        let once = args.clone();
        redactor.arguments(&mut args, cut);
        prop_assert_eq!(once, args);
    }

    #[test]
    fn any_bytes_are_taken(mut args in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..6), cut: bool) {
        let mut args: Vec<BString> = args.drain(..).map(BString::from).collect();
        let redactor = Redactor::new([1; 32]);
        redactor.arguments(&mut args, cut);
        let once = args.clone();
        redactor.arguments(&mut args, cut);
        prop_assert_eq!(once, args);
    }

    #[test]
    fn a_password_behind_its_switch_never_survives(password in "[a-zA-Z0-9!%^*~.]{8,40}", name in "(--)(db-)?(password|passwd|secret|api-key)") {
        prop_assume!(!password.ends_with(".pem") && !password.starts_with("./"));
        for args in [vec![name.clone(), password.clone()], vec![format!("{name}={password}")]] {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            prop_assert!(!redacted(&args, false).iter().any(|arg| arg.contains(&password)));
        }
    }

    #[test]
    fn random_keys_seldom_survive(keys in prop::collection::vec("[a-zA-Z0-9]{32}", 100)) {
        let survive = keys.iter().filter(|key| redacted(&["x", key], false)[1] == **key).count();
        prop_assert!(survive <= 10, "{}", survive);
    }
}

#[test]
fn a_key_in_a_hosts_name_does_not_survive() {
    let host = |name: &str| {
        let mut name = name.to_owned();
        Redactor::new([7; 32]).host(&mut name);
        name
    };
    let sent = host("ghp_16c7e42f292c6912e7710c838347ae178b4a.evil.example");
    assert!(sent.starts_with("<secret:") && sent.ends_with(">.evil.example"), "{sent}");
    assert_eq!(host(&sent), sent);
    for name in
        ["api.openai.com", "d111111abcdef8.cloudfront.net", "ip-10-0-0-1.eu-west-1.compute.internal", "", "."]
    {
        assert_eq!(host(name), name);
    }
}
