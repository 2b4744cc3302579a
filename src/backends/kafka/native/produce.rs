//! Handing records over to librdkafka: read and kept in place, the topic looked up once, one counter
//! a request. The safe wrapper copies each value, allocates each name and value of a header, the name
//! of the topic, and counts owners up and down for every record.

use std::ffi::{CString, c_void};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

use rdkafka::bindings as rd;
use rdkafka::bindings::rd_kafka_vtype_t as kind;
use rdkafka::bindings::rd_kafka_vu_s__bindgen_ty_1 as Field;
use rdkafka::client::Client;
use rdkafka::producer::ProducerContext;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::util::IntoOpaque;

use super::{NativeHandle, Owned, failure};
use crate::backends::kafka::packed;
use crate::model::{RecordBatch, RecordView};

/// A topic of one producer. To be dropped before that producer.
#[derive(Debug)]
pub(in crate::backends::kafka) struct TopicHandle(*mut rd::rd_kafka_topic_t);

// SAFETY: librdkafka's handles may be used from any thread.
unsafe impl Send for TopicHandle {}
// SAFETY: the same.
unsafe impl Sync for TopicHandle {}

impl TopicHandle {
    /// The topic under the settings of its producer; `None` for a name that is none.
    pub(in crate::backends::kafka) fn new(client: &impl NativeHandle, topic: &str) -> Option<Self> {
        let name = CString::new(topic).ok()?;
        // SAFETY: the client lives over the call, which copies the name and, without a
        // configuration, takes a copy of the client's own.
        let pointer =
            unsafe { rd::rd_kafka_topic_new(client.handle(), name.as_ptr(), ptr::null_mut()) };
        (!pointer.is_null()).then_some(Self(pointer))
    }
}

impl Drop for TopicHandle {
    fn drop(&mut self) {
        // SAFETY: the pointer is ours alone and used no more.
        unsafe { rd::rd_kafka_topic_destroy(self.0) }
    }
}

/// A value, the records that go with it, and how many shares of them there are.
struct Counted<T> {
    shares: AtomicU32,
    /// librdkafka reads values in it until it has reported on them. A share of its own, so that nobody
    /// gets at the bytes to change them or take them out, whatever the value holds.
    batch: RecordBatch,
    value: T,
}

/// One share of a value, carried by a record to its report. Whoever ends the last share gets the
/// value.
#[derive(Debug)]
pub(in crate::backends::kafka) struct Share<T>(NonNull<Counted<T>>);

// SAFETY: it is a counted reference, as `Arc` is, that hands the value over to the last thread.
unsafe impl<T: Send + Sync> Send for Share<T> {}
// SAFETY: the same.
unsafe impl<T: Send + Sync> Sync for Share<T> {}

impl<T> Share<T> {
    /// The value.
    pub(in crate::backends::kafka) fn get(&self) -> &T {
        // SAFETY: the value lives as long as a share of it does.
        unsafe { &self.0.as_ref().value }
    }

    /// Gives the share up; the value, where it was the last one.
    pub(in crate::backends::kafka) fn end(self) -> Option<T> {
        let pointer = self.0;
        std::mem::forget(self);
        // SAFETY: this share is counted, and is forgotten.
        unsafe { give_up(pointer, 1) }
    }
}

impl<T> Drop for Share<T> {
    fn drop(&mut self) {
        // SAFETY: this share is counted, and is used no more.
        drop(unsafe { give_up(self.0, 1) });
    }
}

impl<T: Send + Sync> IntoOpaque for Share<T> {
    fn into_ptr(self) -> *mut c_void {
        let pointer = self.0.as_ptr().cast();
        std::mem::forget(self);
        pointer
    }

    unsafe fn from_ptr(pointer: *mut c_void) -> Self {
        // SAFETY: the caller's promise: it is what `into_ptr` gave, or `produce` on its behalf.
        Self(unsafe { NonNull::new_unchecked(pointer.cast()) })
    }
}

/// Takes `count` shares off; the value, where no other is left.
///
/// # Safety
/// So many shares are counted, and their holder uses them no more.
unsafe fn give_up<T>(pointer: NonNull<Counted<T>>, count: u32) -> Option<T> {
    // SAFETY: a share is counted, so the value is alive.
    let before = unsafe { pointer.as_ref() }.shares.fetch_sub(count, Ordering::AcqRel);
    // SAFETY: it was made by a `Box`, and nobody else has a share of it any more.
    (before == count).then(|| unsafe { Box::from_raw(pointer.as_ptr()) }.value)
}

/// Shares that were counted at once and go with the records of one request; one is kept to the end,
/// so that no report is the last before all are sent.
pub(in crate::backends::kafka) struct Shares<T> {
    pointer: NonNull<Counted<T>>,
    left: u32,
}

impl<T> Shares<T> {
    /// One for each record of the batch.
    pub(in crate::backends::kafka) fn new(value: T, batch: RecordBatch) -> Self {
        let left = batch.count().saturating_add(1);
        let counted = Box::new(Counted { shares: AtomicU32::new(left), batch, value });
        Self { pointer: NonNull::from(Box::leak(counted)), left }
    }

    /// Gives up those that went with no record; the value, where no record has one.
    pub(in crate::backends::kafka) fn end(self) -> Option<T> {
        let (pointer, left) = (self.pointer, self.left);
        std::mem::forget(self);
        // SAFETY: so many are counted and went with no record; they are forgotten.
        unsafe { give_up(pointer, left) }
    }
}

impl<T> Drop for Shares<T> {
    fn drop(&mut self) {
        // SAFETY: so many are counted and went with no record; they are used no more.
        drop(unsafe { give_up(self.pointer, self.left) });
    }
}

/// Hands the records over for which the shares are; each report will carry one of them to the client's
/// context, which takes nothing else. The topic is one of this client's.
///
/// # Errors
/// The code with which librdkafka refused a record; then there is no report on it nor on those after
/// it. `BadMessage` for one that cannot be read, `InvalidArgument` where the shares are used up.
pub(in crate::backends::kafka) fn produce<T, C>(
    client: &Client<C>,
    topic: &TopicHandle,
    shares: &mut Shares<T>,
) -> Result<(), RDKafkaErrorCode>
where
    T: Send + Sync,
    C: ProducerContext<DeliveryOpaque = Share<T>>,
{
    // SAFETY: one share is kept to the end, so the batch is alive over the call.
    let batch = unsafe { &shares.pointer.as_ref().batch };
    let mut scratch = Vec::with_capacity(256);
    for record in batch.views() {
        let record = record.map_err(|_| RDKafkaErrorCode::BadMessage)?;
        // SAFETY: the record's value lies in the batch of the shares.
        unsafe { produce_one(client, topic, &record, shares, &mut scratch) }?;
    }
    Ok(())
}

/// Hands one record over. `scratch` is room to work in.
///
/// # Safety
/// The record's value lies in the batch of these shares. librdkafka does not copy it: it reads it
/// whenever it makes a request of it, and where that is neither compressed nor small also while it
/// sends one, until it reports on the record and not any more after that. The share of a record that
/// is never reported on (its producer ended before) is never given up, nor is the batch.
unsafe fn produce_one<T: Send + Sync>(
    client: &impl NativeHandle,
    topic: &TopicHandle,
    record: &RecordView<'_>,
    shares: &mut Shares<T>,
    scratch: &mut Vec<u8>,
) -> Result<(), RDKafkaErrorCode> {
    if shares.left <= 1 {
        return Err(RDKafkaErrorCode::InvalidArgument);
    }
    let headers = headers(record, scratch)?;
    let of = |vtype, u| rd::rd_kafka_vu_s { vtype, u };
    let bytes = |field: &[u8]| Field {
        mem: rd::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
            ptr: field.as_ptr().cast_mut().cast(),
            size: field.len(),
        },
    };
    let fields = [
        of(kind::RD_KAFKA_VTYPE_RKT, Field { rkt: topic.0 }),
        // Neither copied nor freed by librdkafka.
        of(kind::RD_KAFKA_VTYPE_MSGFLAGS, Field { i: 0 }),
        of(kind::RD_KAFKA_VTYPE_VALUE, bytes(record.value)),
        of(kind::RD_KAFKA_VTYPE_KEY, bytes(record.key)),
        of(kind::RD_KAFKA_VTYPE_TIMESTAMP, Field { i64_: record.timestamp.as_millis() }),
        of(kind::RD_KAFKA_VTYPE_HEADERS, Field { headers: headers.pointer }),
        of(kind::RD_KAFKA_VTYPE_OPAQUE, Field { ptr: shares.pointer.as_ptr().cast() }),
    ];
    // SAFETY: the fields are of the kinds they say, as many as is said, and what they point to is
    // alive over the call, which copies the key; the value lives until the report, by the caller's
    // promise. Neither is written to.
    let refused = unsafe { rd::rd_kafka_produceva(client.handle(), fields.as_ptr(), fields.len()) };
    // SAFETY: an error that comes back is ours to destroy.
    match unsafe { Owned::new(refused, rd::rd_kafka_error_destroy) } {
        None => {
            // The record has the headers and one of the shares now.
            std::mem::forget(headers);
            shares.left -= 1;
            Ok(())
        }
        // SAFETY: the error is alive.
        Some(error) => Err(unsafe { rd::rd_kafka_error_code(error.pointer) }.into()),
    }
}

fn headers(
    record: &RecordView<'_>,
    scratch: &mut Vec<u8>,
) -> Result<Owned<rd::rd_kafka_headers_t>, RDKafkaErrorCode> {
    scratch.clear();
    let (is_packed, given) = packed::pack(record.headers(), scratch);
    // SAFETY: a new list is ours until librdkafka takes it with a record.
    let list = unsafe {
        let count = given.len() + usize::from(is_packed);
        Owned::new(rd::rd_kafka_headers_new(count), rd::rd_kafka_headers_destroy)
    }
    .ok_or(RDKafkaErrorCode::Fail)?;
    let signed = |length| isize::try_from(length).unwrap_or(isize::MAX);
    let packed = is_packed.then_some((packed::NAME, &scratch[..]));
    for (name, value) in packed.into_iter().chain(given) {
        // SAFETY: the list is alive; name and value are alive over the call, which copies as many
        // bytes of them as is said.
        let code = unsafe {
            rd::rd_kafka_header_add(
                list.pointer,
                name.as_ptr().cast(),
                signed(name.len()),
                value.as_ptr().cast(),
                signed(value.len()),
            )
        };
        if let Some(code) = failure(code) {
            return Err(code);
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Headers, Record, Timestamp};

    #[test]
    fn the_last_share_has_the_value_and_nothing_is_lost() {
        let value = Arc::new(());
        let shares = Shares::new(Arc::clone(&value), RecordBatch::of_all([]));
        assert!(shares.end().is_some());
        let record = Record {
            key: "k".into(),
            value: "v".into(),
            timestamp: Timestamp::default(),
            headers: Headers::default(),
        };
        let mut shares = Shares::new(Arc::clone(&value), RecordBatch::of_all([&record, &record]));
        let pointer = shares.pointer.as_ptr().cast();
        shares.left -= 2;
        // SAFETY: two shares left for the records, as `produce` has it.
        let [first, second]: [Share<Arc<()>>; 2] =
            [unsafe { Share::from_ptr(pointer) }, unsafe { Share::from_ptr(pointer) }];
        assert_eq!(Arc::strong_count(first.get()), 2);
        assert!(first.end().is_none());
        assert!(shares.end().is_none());
        drop(second);
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
