//! Why the baseline does not know an operation, in words of the operation itself: what a label could say holds for all that
//! lies below it, and for every way to reach for it.

use super::Live;
use crate::reason::Normal;
use crate::t1::words::{show, verb};
use bstr::ByteSlice;
use event::{Access, Event, Object, Op, Reach, Stage};

/// Reasons of single operations that are kept of one policy; past them the label's own words serve.
const REASONS_MAX: u32 = 4096;

impl Live {
    /// Gives what the compiled baseline refused a reason of its own.
    pub(super) fn explain_operation(&mut self, event: &mut Event) {
        let refused = event.decision.is_some_and(|decision| decision.stage == Stage::T1);
        let policy = self.armed.as_ref().map(|armed| armed.policy.number);
        let (Some(policy), true) = (policy, refused && self.explanations < REASONS_MAX) else { return };
        let Some(words) = self.words_of(event) else { return };
        self.explanations += 1;
        let number = self.shared.reasons.allocate(policy, &words);
        if let Some(decision) = &mut event.decision {
            decision.reason = number;
        }
    }

    fn words_of(&self, event: &Event) -> Option<String> {
        if matches!(event.op, Op::Mount | Op::Umount) {
            return None;
        }
        let baseline = self.scorer.as_ref()?.baseline();
        let normal = Normal::of(baseline, &self.segment.task);
        let mut place = self.tokeniser.place(event)?;
        // That a program may be started is asked when it is opened.
        if event.op == Op::Open && event.access.contains(Access::EXEC) {
            place.reach = Reach::Exec;
        }
        let novelty = &baseline.models.novelty;
        let (some, known) = novelty.support(&place);
        let object = match event.op {
            Op::Link => event.second.as_ref().unwrap_or(&event.object),
            _ => &event.object,
        };
        let (shown, inside) = match object {
            Object::File(file) | Object::Unix(file) if file.path.first() != Some(&0) => {
                nearest(&file.path, place.components.len().saturating_sub(known + 1))
            }
            Object::Exe(exe) => nearest(&exe.file.path, place.components.len().saturating_sub(known + 1)),
            other => {
                return Some(normal.rarely(
                    verb(place.reach),
                    &other.display(),
                    false,
                    (some, novelty.sessions()),
                ));
            }
        };
        let shown = show(shown, &self.meta.context.home);
        Some(normal.rarely(verb(place.reach), &shown, inside, (some, novelty.sessions())))
    }
}

/// A path without so many components at its end, and whether there were any.
fn nearest(path: &[u8], without: usize) -> (&[u8], bool) {
    let mut rest = path;
    for _ in 0..without {
        match rest.rsplit_once_str("/") {
            Some((above, _)) if !above.is_empty() => rest = above,
            _ => break,
        }
    }
    (rest, rest.len() < path.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_place_is_the_first_that_nobody_came_to() {
        assert_eq!(nearest(b"/home/u/.cache/a/b", 0), (&b"/home/u/.cache/a/b"[..], false));
        assert_eq!(nearest(b"/home/u/.cache/a/b", 1), (&b"/home/u/.cache/a"[..], true));
        assert_eq!(nearest(b"/a", 7), (&b"/a"[..], false));
    }
}
