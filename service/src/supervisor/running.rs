//! One running session: who it is, who writes it down, and what is done with it.

use crate::Error;
use crate::broker::Broker;
use crate::teller::Teller;
use bstr::BString;
use event::SessionRef;
use guard::Live;
use rustix::event::{EventfdFlags, eventfd};
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wire::{Action, Refused, Running as Listed, Why};

/// A running session.
pub struct Running {
    /// Its place in the kernel's tables.
    pub slot: u32,
    /// Its user.
    pub uid: u32,
    /// Its number in the user's store.
    pub number: i64,
    /// Who writes it down.
    pub teller: Arc<Teller>,
    /// `None` once it is being summed up.
    live: Mutex<Option<Live>>,
    /// What uses keys for it.
    broker: Mutex<Option<Broker>>,
    /// Held by who changes what it obeys.
    changing: Mutex<()>,
    /// Denials that reached the log.
    pub(super) logged: AtomicU64,
    /// Readable when it was frozen or goes on.
    changed: OwnedFd,
}

impl Running {
    /// A session that is armed.
    pub fn new(
        slot: u32,
        uid: u32,
        number: i64,
        teller: Arc<Teller>,
        live: Live,
        broker: Option<Broker>,
    ) -> Result<Self, Error> {
        let changed = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|e| Error::io("an event descriptor cannot be made", e))?;
        let (live, broker, logged) = (Mutex::new(Some(live)), Mutex::new(broker), AtomicU64::new(0));
        let changing = Mutex::default();
        Ok(Self { slot, uid, number, teller, live, broker, changing, logged, changed })
    }

    /// What is readable when it was frozen or goes on.
    pub fn changed(&self) -> &OwnedFd {
        &self.changed
    }

    /// Takes in that it has changed.
    pub fn see_change(&self) {
        #[expect(
            clippy::let_underscore_must_use,
            reason = "it was read by nobody else, and is empty at worst"
        )]
        let _ = rustix::io::read(&self.changed, &mut [0u8; 8]);
    }

    pub(super) fn note_change(&self) {
        #[expect(
            clippy::let_underscore_must_use,
            reason = "the counter of an eventfd that is read has room for this one"
        )]
        let _ = rustix::io::write(&self.changed, &1u64.to_ne_bytes());
    }

    /// Lets members use the user's keys; the variables by which they find them.
    pub fn lend_keys(
        &self,
        is_member: impl Fn(u32) -> Result<bool, Error> + Send + 'static,
        tell: impl Fn(broker::Use) + Send + 'static,
    ) -> Result<Vec<(BString, BString)>, Error> {
        let mut broker = self.broker.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(broker) = broker.as_mut() else { return Ok(Vec::new()) };
        broker.serve(is_member, tell)?;
        Ok(broker.variables())
    }

    /// Takes out what uses keys: nobody is inside any more.
    pub fn take_broker(&self) -> Option<Broker> {
        self.broker.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Its number as text: users' and the protocol's name of it.
    pub fn id(&self) -> String {
        self.number.to_string()
    }

    fn live(&self) -> MutexGuard<'_, Option<Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it obeys is changed by one at a time. Looking at the file system takes long, so that nothing else is held.
    pub(super) fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the session, unless it is being summed up.
    pub fn with<T>(&self, does: impl FnOnce(&mut Live) -> T) -> Option<T> {
        self.live().as_mut().map(does)
    }

    /// Takes the session out, to sum it up.
    pub fn take(&self) -> Option<Live> {
        self.live().take()
    }

    pub(super) fn act(&self, action: Action) -> Result<(), Refused> {
        let failed = |e: guard::Error| Refused::new(Why::Failed, e.to_string());
        let done = self.with(|live| match action {
            Action::Kill => live.kill().map_err(failed),
            Action::Freeze => live.freeze_as_asked().map_err(failed),
            Action::Thaw(_) if live.frozen().is_some_and(|frozen| !frozen.may_go_on) => {
                let message = "nothing would be refused any more if it went on: it can only be killed";
                Err(Refused::new(Why::CannotProtect, message))
            }
            Action::Thaw(how) => live.thaw(how).map_err(failed),
        });
        self.note_change();
        done.unwrap_or_else(|| Err(over(SessionRef::Number(self.number))))
    }

    /// As it is listed; `None` while it is being summed up.
    pub(super) fn listed(&self) -> Option<Listed> {
        self.with(|live| Listed {
            session: self.id(),
            agent: live.meta().agent.clone(),
            task: live.segment().task.clone(),
            mode: live.mode(),
            state: if live.is_frozen() { "frozen" } else { "running" }.to_owned(),
            uid: self.uid,
            command: live.meta().command.clone(),
            started_unix_ns: live.meta().started_unix_ns,
            processes: u32::try_from(live.processes().len()).unwrap_or(u32::MAX),
            denied: live.denied(),
            stopped: live.stopped_operations(),
            alerts: live.alerts(),
        })
    }
}

/// It does not run, or not any more.
pub(super) fn over(session: SessionRef) -> Refused {
    Refused::new(
        Why::NoSuchSession,
        format!("no session {session} is running: `wardline sessions` lists them"),
    )
}
