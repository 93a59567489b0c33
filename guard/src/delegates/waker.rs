//! Wakes who looks as soon as somebody outside has begun to listen, and says so where no look is done.

use crate::DenyList;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A look takes hundredths of a second: where none is done for longer, it is said.
const LONG: Duration = Duration::from_secs(2);

/// For the thread that reads the kernel's rings: it waits for nobody.
pub struct Waker {
    list: Arc<dyn DenyList>,
    /// Asks for a look, with that number; whether it could.
    wake: Box<dyn Fn(u64) -> bool + Send>,
    looked: Arc<AtomicU64>,
    /// [`DenyList::asked_to_look`] when who looks was woken.
    woken: u64,
    /// What `looked` was last, and since when somebody waits for more.
    waits: Option<(u64, Instant)>,
    said: bool,
}

impl Waker {
    pub(super) fn new(
        list: Arc<dyn DenyList>,
        looked: Arc<AtomicU64>,
        wake: impl Fn(u64) -> bool + Send + 'static,
    ) -> Waker {
        Waker { list, wake: Box::new(wake), looked, woken: 0, waits: None, said: false }
    }

    /// To be called some hundred times a second while sessions run.
    pub fn pass(&mut self) {
        let (asked, looked) = (self.list.asked_to_look(), self.looked.load(Ordering::Acquire));
        if asked == looked {
            (self.waits, self.said) = (None, false);
            return;
        }
        let since = match self.waits {
            Some((before, since)) if before == looked => since,
            _ => Instant::now(),
        };
        self.waits = Some((looked, since));
        // Where too much is asked, it is tried again.
        if self.woken != asked && (self.wake)(asked) {
            self.woken = asked;
        }
        if since.elapsed() > LONG && !self.said {
            self.said = true;
            tracing::error!(
                "whoever outside has begun to listen is reached by no session: it is not known who that is, since `/proc`, or the file system of a helper's socket, does not answer"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delegates::Delegates;
    use crate::denylist::fake::Fake;
    use std::sync::Mutex;

    #[test]
    fn who_looks_is_woken_once_for_what_has_begun_and_again_where_it_could_not_be() {
        let list = Arc::new(Fake::default());
        let (looked, woken) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
        let wake = {
            let woken = Arc::clone(&woken);
            move |asked| {
                let mut woken = woken.lock().unwrap();
                woken.push(asked);
                woken.len() > 1
            }
        };
        let mut waker = Waker::new(list.clone(), Arc::clone(&looked), wake);
        waker.pass();
        assert!(woken.lock().unwrap().is_empty());
        list.state().asked = 3;
        for _ in 0..4 {
            waker.pass();
        }
        assert_eq!(*woken.lock().unwrap(), [3, 3]);
        looked.store(3, Ordering::Release);
        waker.pass();
        assert_eq!((woken.lock().unwrap().len(), waker.waits), (2, None));
    }

    #[test]
    fn a_look_that_is_asked_for_is_done_soon_and_said_to_be() {
        let list = Arc::new(Fake::default());
        let delegates = Delegates::new(list.clone());
        let mut waker = delegates.waker();
        list.state().asked = 1;
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            waker.pass();
            if waker.waits.is_none() {
                break;
            }
            assert!(Instant::now() < until, "no look");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(list.state().looked >= 1);
    }
}
