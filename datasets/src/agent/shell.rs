//! The control: an agent that is a short script for `bash`, which asks the model for one command after the other.

use super::Agent;
use crate::Error;
use crate::error::at;
use crate::network::MODEL;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// Its version.
const VERSION: &str = "2";

/// Asks, runs, and keeps a log in the home, as agents do. It needs nothing but bash and coreutils.
const PROGRAM: &str = r#"log=$HOME/.local/state/shell-agent/$(date +%s)-$$.jsonl
mkdir -p "${log%/*}"
number=0
while :; do
    exec 3<>"/dev/tcp/$MODEL_HOST/$MODEL_PORT" || exit 1
    printf 'GET /v1/steps/%d HTTP/1.1\r\nHost: model\r\nConnection: close\r\n\r\n' "$number" >&3
    read -r _ status _ <&3
    while read -r header <&3 && [ "$header" != $'\r' ]; do :; done
    command=$(cat <&3)
    exec 3>&-
    [ "$status" = 200 ] || break
    output=$(timeout 100 bash -c "$command" 2>&1 </dev/null)
    code=$?
    printf '$ %s\n%s\n' "$command" "$output"
    printf '{"call":%d,"status":%d,"bytes":%d}\n' "$number" "$code" "${#output}" >>"$log"
    number=$((number + 1))
done
[ "$status" = 204 ]
"#;

/// The agent.
pub(super) struct Shell;

impl Agent for Shell {
    fn name(&self) -> &'static str {
        "shell"
    }

    fn version(&self) -> &'static str {
        VERSION
    }

    fn install(&self, _version: &str, directory: &Path) -> Result<(), Error> {
        let file = directory.join("agent.sh");
        at("write", &file, fs::write(&file, PROGRAM))
    }

    fn configuration(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn environment(&self) -> Vec<(&'static str, OsString)> {
        vec![("MODEL_HOST", MODEL.ip().to_string().into()), ("MODEL_PORT", MODEL.port().to_string().into())]
    }

    fn command(&self, installed: &Path, prompt: &str) -> Vec<OsString> {
        vec!["bash".into(), installed.join("agent.sh").into(), prompt.into()]
    }
}
