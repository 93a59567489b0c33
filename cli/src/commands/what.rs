//! The object of an operation, as text.

use event::{Event, Object, Op, Outside};
use std::collections::BTreeMap;
use text::shown;

/// What an operation acted on, in one line.
pub fn what(event: &Event, reasons: &BTreeMap<u32, String>) -> String {
    let object = match &event.object {
        Object::Exe(exe) if !exe.args.is_empty() => {
            let args: Vec<String> = exe.args.iter().map(|arg| shown(arg)).collect();
            format!("{} ({})", event.object.display(), args.join(" "))
        }
        object => object.display(),
    };
    let object = match &event.second {
        Some(second) => {
            let program = match (event.op, second) {
                (Op::Connect | Op::Send, Object::Process { pid, inside: false, detail }) => {
                    reasons.get(&guard::reason::of_outsider(*pid, *detail))
                }
                _ => None,
            };
            let program =
                program.map_or_else(String::new, |program| format!(" (`{}`)", shown(program.as_bytes())));
            format!("{object} -> {}{program}", second.display())
        }
        None => object,
    };
    match Outside::of(event) {
        Some(Outside::Process(_)) => format!("{object}, outside of the session"),
        Some(Outside::Service(directory)) => {
            format!("{object}, for a service that runs what lies in {directory}")
        }
        None => object,
    }
}
