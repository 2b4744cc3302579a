//! What the safe wrapper of librdkafka lacks: topic identities, positions of any group, headers of
//! any bytes, and producing without a copy a field. The only module with `unsafe` but for one system call.
//!
//! Every function owns what it makes: pointers are wrapped in [`Owned`] at once, read while their
//! owner lives, and copied out before it is dropped. [`produce`] alone lends memory beyond its call:
//! that of a batch, which [`Shares`] keep until the last report on it. librdkafka's handles may be used from any
//! thread (its manual, "Thread safety").

#![expect(
    unsafe_code,
    reason = "calls of librdkafka that its safe wrapper does not offer; each block says why it is sound"
)]

mod produce;

use std::ffi::{CStr, CString, c_char};
use std::ptr;
use std::slice;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rdkafka::bindings as rd;
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaErrorCode;

use super::packed;
use crate::model::{HeaderName, Headers, TopicId, TopicPartition};

pub(super) use produce::{Share, Shares, TopicHandle, produce};

/// The handle of a client; never dereferenced here.
pub(super) type Handle = *mut rd::rd_kafka_t;

/// A pointer that librdkafka gave and wants back.
struct Owned<T> {
    pointer: *mut T,
    destroy: unsafe extern "C" fn(*mut T),
}

impl<T> Owned<T> {
    /// `None` where librdkafka gave nothing.
    ///
    /// # Safety
    /// `pointer` is null or ours alone, and `destroy` is what librdkafka names for its kind.
    unsafe fn new(pointer: *mut T, destroy: unsafe extern "C" fn(*mut T)) -> Option<Self> {
        (!pointer.is_null()).then_some(Self { pointer, destroy })
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: `new` demands that the pointer is ours alone and fits `destroy`; it is used once.
        unsafe { (self.destroy)(self.pointer) }
    }
}

/// A topic as a broker describes it.
#[derive(Debug, Clone)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) id: TopicId,
    pub(super) partitions: i32,
    pub(super) error: Option<RDKafkaErrorCode>,
}

/// A group's committed offset with what was committed beside it.
#[derive(Debug, Clone)]
pub(super) struct Position {
    /// Negative where nothing was committed.
    pub(super) offset: i64,
    pub(super) metadata: Vec<u8>,
}

/// A broker that answers now; its number. Blocks up to `timeout`.
///
/// # Errors
/// `BrokerTransportFailure` where none is connected, `OperationTimedOut` where none answers in time.
pub(super) fn answering(
    client: &impl NativeHandle,
    timeout: Duration,
) -> Result<i32, RDKafkaErrorCode> {
    let mut metadata = ptr::null();
    // SAFETY: the handle is that of a living client. No topic is asked for but those that it knows
    // itself; where the call succeeds the metadata is ours with the brokers it counts, read once and
    // given back.
    unsafe {
        let asked = rd::rd_kafka_metadata(
            client.handle(),
            0,
            ptr::null_mut(),
            &raw mut metadata,
            millis(timeout),
        );
        match failure(asked) {
            Some(code) => Err(code),
            None if metadata.is_null() => Err(RDKafkaErrorCode::Fail),
            None => {
                let asked = (*metadata).orig_broker_id;
                let count = usize::try_from((*metadata).broker_cnt).unwrap_or(0);
                let first = array((*metadata).brokers, count).first().map(|broker| broker.id);
                rd::rd_kafka_metadata_destroy(metadata);
                // Known by its address alone, as at first, it has no number yet: it names others.
                if asked >= 0 {
                    Ok(asked)
                } else {
                    first.ok_or(RDKafkaErrorCode::BrokerNotAvailable)
                }
            }
        }
    }
}

/// Asks a broker about topics. Blocks up to `timeout`. Makes no topic.
///
/// By itself librdkafka would ask the controller alone, and wait for it while any other broker could
/// tell; so the one that has just answered is asked.
///
/// # Errors
/// The broker's or the client's code.
pub(super) fn describe(
    client: &impl NativeHandle,
    topics: &[&str],
    timeout: Duration,
) -> Result<Vec<Described>, RDKafkaErrorCode> {
    let began = Instant::now();
    let broker = answering(client, timeout)?;
    let timeout = timeout.saturating_sub(began.elapsed());
    let names: Vec<CString> = topics.iter().filter_map(|name| CString::new(*name).ok()).collect();
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    // SAFETY: the array holds as many C strings as is said, alive over the call, which copies them.
    let collection = unsafe {
        Owned::new(
            rd::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len()),
            rd::rd_kafka_TopicCollection_destroy,
        )
    }
    .ok_or(RDKafkaErrorCode::Fail)?;
    let op = rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
    let event = ask(client.handle(), op, broker, timeout, |options, queue| {
        // SAFETY: all four are alive; the call copies the names and keeps nothing of ours but the
        // queue, on which `ask` waits.
        unsafe {
            rd::rd_kafka_DescribeTopics(client.handle(), collection.pointer, options, queue);
        }
    })?;
    let mut described = Vec::new();
    // SAFETY: `ask` returned an event without an error, of the kind asked for; result, descriptions
    // and names belong to the event, which lives to the end of this function. The counts are
    // librdkafka's own for these arrays. The identity is a plain copy of two numbers.
    unsafe {
        let result = rd::rd_kafka_event_DescribeTopics_result(event.pointer);
        if result.is_null() {
            return Err(RDKafkaErrorCode::InvalidType);
        }
        let mut count = 0;
        let topics = rd::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        for &topic in array(topics, count) {
            let error = rd::rd_kafka_TopicDescription_error(topic);
            let code = rd::rd_kafka_error_code(error);
            let mut partitions = 0;
            rd::rd_kafka_TopicDescription_partitions(topic, &raw mut partitions);
            described.push(Described {
                name: text(rd::rd_kafka_TopicDescription_name(topic)),
                id: topic_id(rd::rd_kafka_TopicDescription_topic_id(topic)),
                partitions: i32::try_from(partitions).unwrap_or(i32::MAX),
                error: failure(code),
            });
        }
    }
    Ok(described)
}

/// What the client's own group has committed on these partitions, in their order. Blocks up to
/// `timeout`. The wrapper's own reading panics where the text beside an offset is no UTF-8.
///
/// # Errors
/// The coordinator's or the client's code.
pub(super) fn positions(
    client: &impl NativeHandle,
    places: &[TopicPartition],
    timeout: Duration,
) -> Result<Vec<Position>, RDKafkaErrorCode> {
    let length = i32::try_from(places.len()).unwrap_or(i32::MAX);
    // SAFETY: the list is ours alone; its length is a hint.
    let list = unsafe {
        Owned::new(
            rd::rd_kafka_topic_partition_list_new(length),
            rd::rd_kafka_topic_partition_list_destroy,
        )
    }
    .ok_or(RDKafkaErrorCode::Fail)?;
    for at in places {
        let topic = CString::new(at.topic.as_str());
        let topic = topic.map_err(|_| RDKafkaErrorCode::InvalidArgument)?;
        // SAFETY: the list lives, the name is a C string that the call copies.
        unsafe {
            rd::rd_kafka_topic_partition_list_add(list.pointer, topic.as_ptr(), at.partition.0);
        }
    }
    let mut positions = Vec::with_capacity(places.len());
    // SAFETY: the handle is that of a living client. The call fills the list in place, keeps nothing
    // of it and leaves the order; its own count bounds its elements, copied out while it lives.
    unsafe {
        let code = rd::rd_kafka_committed(client.handle(), list.pointer, millis(timeout));
        if let Some(code) = failure(code) {
            return Err(code);
        }
        let count = usize::try_from((*list.pointer).cnt).unwrap_or(0);
        for element in array((*list.pointer).elems, count) {
            if let Some(code) = failure(element.err) {
                return Err(code);
            }
            let metadata = array(element.metadata.cast::<u8>(), element.metadata_size).to_vec();
            positions.push(Position { offset: element.offset, metadata });
        }
    }
    Ok(positions)
}

/// A message's headers. The wrapper's own reading panics on a name that is no UTF-8, which any
/// foreign producer may send; here such a name is read as well as it can be.
pub(super) fn headers(message: &BorrowedMessage<'_>, buffer: &mut BytesMut) -> Headers {
    let mut list = ptr::null_mut();
    // SAFETY: the message is alive for as long as it is borrowed.
    let code = unsafe { rd::rd_kafka_message_headers(message.ptr(), &raw mut list) };
    if failure(code).is_some() || list.is_null() {
        return Headers::new();
    }
    let mut headers = Vec::with_capacity(8);
    for index in 0.. {
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the list belongs to the message; past its end the call says so and sets nothing.
        // Name and value belong to the list too and are copied before the next call.
        let (name, value) = unsafe {
            let code = rd::rd_kafka_header_get_all(
                list,
                index,
                &raw mut name,
                &raw mut value,
                &raw mut size,
            );
            if failure(code).is_some() || name.is_null() {
                break;
            }
            (CStr::from_ptr(name), array(value.cast::<u8>(), size))
        };
        let (name, value) = (name.to_string_lossy(), copy(buffer, value));
        match (name == packed::NAME).then(|| packed::unpack(&value)).flatten() {
            Some(unpacked) => headers.extend(unpacked),
            None => headers.push((HeaderName::from_name(&name), value)),
        }
    }
    headers.into_iter().collect()
}

/// Bytes as a slice of a buffer that many fields share.
pub(super) fn copy(buffer: &mut BytesMut, bytes: &[u8]) -> Bytes {
    buffer.extend_from_slice(bytes);
    buffer.split().freeze()
}

/// A client of librdkafka.
pub(super) trait NativeHandle {
    /// Its handle, good while it lives.
    fn handle(&self) -> Handle;
}

impl<C: rdkafka::ClientContext> NativeHandle for rdkafka::client::Client<C> {
    fn handle(&self) -> Handle {
        self.native_ptr()
    }
}

fn millis(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX).max(1)
}

/// Sends an admin request to that broker and waits for its one event.
fn ask(
    handle: Handle,
    op: rd::rd_kafka_admin_op_t,
    broker: i32,
    timeout: Duration,
    send: impl FnOnce(*const rd::rd_kafka_AdminOptions_t, *mut rd::rd_kafka_queue_t),
) -> Result<Owned<rd::rd_kafka_event_t>, RDKafkaErrorCode> {
    let millis = millis(timeout);
    // SAFETY: the handle is that of a living client (callers hold it over this call); options and
    // queue are made for it, used by this one request, and destroyed after it or its time is over:
    // an answer that comes later finds the queue disabled, which librdkafka allows.
    unsafe {
        let options = Owned::new(
            rd::rd_kafka_AdminOptions_new(handle, op),
            rd::rd_kafka_AdminOptions_destroy,
        )
        .ok_or(RDKafkaErrorCode::Fail)?;
        let mut told = [0 as c_char; 128];
        let set = rd::rd_kafka_AdminOptions_set_request_timeout(
            options.pointer,
            millis,
            told.as_mut_ptr(),
            told.len(),
        );
        if let Some(code) = failure(set) {
            return Err(code);
        }
        let set = rd::rd_kafka_AdminOptions_set_broker(
            options.pointer,
            broker,
            told.as_mut_ptr(),
            told.len(),
        );
        if let Some(code) = failure(set) {
            return Err(code);
        }
        let queue = Owned::new(rd::rd_kafka_queue_new(handle), rd::rd_kafka_queue_destroy)
            .ok_or(RDKafkaErrorCode::Fail)?;
        send(options.pointer, queue.pointer);
        let polled = rd::rd_kafka_queue_poll(queue.pointer, millis.saturating_add(500));
        let event = Owned::new(polled, rd::rd_kafka_event_destroy)
            .ok_or(RDKafkaErrorCode::OperationTimedOut)?;
        match failure(rd::rd_kafka_event_error(event.pointer)) {
            Some(code) => Err(code),
            None => Ok(event),
        }
    }
}

fn failure(code: rd::rd_kafka_resp_err_t) -> Option<RDKafkaErrorCode> {
    (code != rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| code.into())
}

/// # Safety
/// `first` is null or the first of `count` elements that outlive the slice.
unsafe fn array<'a, T>(first: *const T, count: usize) -> &'a [T] {
    if first.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts(first, count) }
}

/// # Safety
/// `name` is null or a C string.
unsafe fn text(name: *const c_char) -> String {
    if name.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}

/// # Safety
/// `id` is null or points to an identity.
unsafe fn topic_id(id: *const rd::rd_kafka_Uuid_t) -> TopicId {
    let mut bytes = [0; 16];
    if !id.is_null() {
        // SAFETY: the caller's promise; both calls only read.
        let (most, least) = unsafe {
            (
                rd::rd_kafka_Uuid_most_significant_bits(id),
                rd::rd_kafka_Uuid_least_significant_bits(id),
            )
        };
        bytes[..8].copy_from_slice(&most.to_be_bytes());
        bytes[8..].copy_from_slice(&least.to_be_bytes());
    }
    TopicId::from_bytes(bytes)
}

/// Raises a fatal error as the broker would, for tests.
#[cfg(test)]
pub(super) fn raise_fatal(client: &impl NativeHandle) {
    let reason = c"raised by a test";
    let code = rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    // SAFETY: the client lives over the call, the reason is a C string that the call copies.
    unsafe { rd::rd_kafka_test_fatal_error(client.handle(), code, reason.as_ptr()) };
}

/// A client's mock cluster, for tests.
#[cfg(test)]
fn mock_cluster(client: &impl NativeHandle) -> *mut rd::rd_kafka_mock_cluster_t {
    // SAFETY: the client lives over the call.
    let cluster = unsafe { rd::rd_kafka_handle_mock_cluster(client.handle()) };
    assert!(!cluster.is_null(), "a client without a mock cluster");
    cluster
}

/// Takes a broker out of it.
#[cfg(test)]
pub(super) fn remove_mock_broker(client: &impl NativeHandle, broker: i32) {
    // SAFETY: the cluster lives as long as its client, which lives over the call.
    let removed = unsafe { rd::rd_kafka_mock_broker_decommission(mock_cluster(client), broker) };
    assert_eq!(failure(removed), None);
}

/// Puts one in, at an address of its own.
#[cfg(test)]
pub(super) fn add_mock_broker(client: &impl NativeHandle, broker: i32) {
    // SAFETY: as in `remove_mock_broker`.
    let added = unsafe { rd::rd_kafka_mock_broker_add(mock_cluster(client), broker) };
    assert_eq!(failure(added), None);
}
