//! The words on the wire, both ways.

use serde_json::json;

use super::*;

#[test]
fn a_request_reads_as_it_was_written() {
    let request = Request {
        id: 4,
        by: "t1".into(),
        command: Command::Call(Call::MapAsync(MapAsyncOptions {
            pool: "p0".into(),
            keys: vec![3, 4],
            chunksize: None,
            handle: "h1".into(),
            callback: Some(5),
            error_callback: None,
            timeout: None,
            limits: Limits::none(),
        })),
    };
    let line = request.to_line();
    assert_eq!(
        serde_json::from_str::<Value>(&line).unwrap(),
        json!({"id": 4, "by": "t1", "cmd": "map_async", "pool": "p0", "keys": [3, 4], "chunksize": null,
               "handle": "h1", "callback": 5, "error_callback": null})
    );
    assert_eq!(Request::parse(line.trim_end()).unwrap(), request);
}

#[test]
fn the_name_of_a_command_is_the_one_on_the_wire() {
    for command in [
        Command::from(Control::Exit {}),
        Command::from(Call::Exitcode {
            process: "q0".into(),
        }),
        Command::from(Call::TerminateProcess {
            process: "q0".into(),
        }),
        Command::from(Call::StarmapAsync(MapAsyncOptions {
            pool: "p".into(),
            keys: vec![],
            chunksize: None,
            handle: "h".into(),
            callback: None,
            error_callback: None,
            timeout: None,
            limits: Limits::none(),
        })),
    ] {
        assert_eq!(
            serde_json::to_value(&command).unwrap()["cmd"],
            command.name()
        );
    }
}

#[test]
fn optional_fields_of_a_request_may_be_left_out() {
    let request = Request::parse(r#"{"id":1,"by":"main","cmd":"get","handle":"h0"}"#).unwrap();
    assert_eq!(
        request.command,
        Command::Call(Call::Get {
            handle: "h0".into(),
            timeout: None
        })
    );
}

#[test]
fn what_is_no_request_is_refused_with_its_reason() {
    let refused = |text: &str| Request::parse(text).unwrap_err().to_string();
    assert!(refused("{").starts_with("the line is not JSON"));
    assert!(refused("[1]").starts_with("the line is not a JSON object"));
    assert!(refused(r#"{"by":"main","cmd":"exit"}"#).starts_with("the message has no number `id`"));
    assert!(refused(r#"{"id":1,"cmd":"exit"}"#).starts_with("the request has no `by`"));
    assert!(refused(r#"{"id":1,"by":"main","cmd":"leap"}"#).contains("leap"));
    assert!(refused(r#"{"id":1,"by":"main","cmd":"close","pool":"p","x":1}"#).contains('x'));
    assert!(refused(r#"{"id":1,"by":"main","cmd":"close"}"#).contains("pool"));
}

#[test]
fn replies_and_timers_are_told_apart() {
    for message in [
        FromAdapter::Reply {
            id: 1,
            result: Ok(Value::Null),
        },
        FromAdapter::Reply {
            id: 2,
            result: Err(ErrorReply {
                kind: "TimedOut".into(),
                text: "late".into(),
            }),
        },
        FromAdapter::Timer {
            timer: 3,
            after: 0.5,
        },
        FromAdapter::Cancel { timer: 3 },
    ] {
        assert_eq!(
            FromAdapter::parse(message.to_line().trim_end()).unwrap(),
            message
        );
    }
}

#[test]
fn what_is_no_message_of_an_adapter_is_refused() {
    let refused = |text: &str| FromAdapter::parse(text).unwrap_err().to_string();
    assert!(refused("Hello World").starts_with("the line is not JSON: Hello World"));
    assert!(refused(r#"{"id":1}"#).contains("either `ok` or `error`"));
    assert!(refused(r#"{"id":1,"ok":1,"error":null}"#).contains("either `ok` or `error`"));
    assert!(refused(r#"{"id":1,"ok":1,"extra":2}"#).contains("unknown field `extra`"));
    assert!(refused(r#"{"timer":1}"#).contains("`after`"));
    assert!(refused(r#"{"id":"1","ok":1}"#).contains("no number `id`"));
}

#[test]
fn a_callback_may_be_given_null() {
    let FromPuppet::Begin(begin) =
        FromPuppet::parse(r#"{"begin":9,"pid":1,"tid":2,"name":"","callback":true,"value":null}"#)
            .unwrap()
    else {
        panic!("not a begin");
    };
    assert_eq!(
        (begin.begin, begin.value, begin.args),
        (9, Some(Value::Null), 1)
    );
    let FromPuppet::Begin(begin) = FromPuppet::parse(r#"{"begin":9,"pid":1,"tid":2}"#).unwrap()
    else {
        panic!("not a begin");
    };
    assert_eq!(begin.value, None);
}

#[test]
fn orders_have_the_shapes_that_adapters_know() {
    let shape = |order: Order| serde_json::to_value(order).unwrap();
    assert_eq!(
        shape(Order::Return(json!([1, null]))),
        json!({"return": [1, null]})
    );
    assert_eq!(
        shape(Order::Raise(ErrorReply {
            kind: "ValueError".into(),
            text: "bad".into()
        })),
        json!({"raise": {"kind": "ValueError", "text": "bad"}})
    );
    assert_eq!(shape(Order::CloseFds(true)), json!({"close_fds": true}));
    assert_eq!(
        parse_order(r#"{"signal":"KILL"}"#).unwrap(),
        Order::Signal("KILL".into())
    );
    assert!(parse_order(r#"{"dance":1}"#).is_err());
}

#[test]
fn a_polling_period_has_a_unit() {
    let hello = |polls: Option<&str>| Hello {
        name: "x".into(),
        version: "1".into(),
        kinds: vec![WorkerKind::Thread],
        can: vec![],
        declines: BTreeMap::new(),
        polls: polls.map(str::to_owned),
    };
    assert_eq!(hello(None).polling_period(), Ok(None));
    assert_eq!(
        hello(Some("50ms")).polling_period(),
        Ok(Some(Duration::from_millis(50)))
    );
    assert_eq!(
        hello(Some("2s")).polling_period(),
        Ok(Some(Duration::from_secs(2)))
    );
    assert!(hello(Some("often")).polling_period().is_err());
}

#[test]
fn lines_come_out_whole_however_they_went_in() {
    let mut buffer = LineBuffer::default();
    buffer.push(b"on");
    assert!(buffer.next_line().unwrap().is_none());
    buffer.push(b"e\ntwo\nth");
    assert_eq!(buffer.next_line().unwrap().as_deref(), Some("one"));
    assert_eq!(buffer.next_line().unwrap().as_deref(), Some("two"));
    assert!(buffer.next_line().unwrap().is_none());
    assert!(buffer.is_partial());
    buffer.push(b"\xff\n");
    assert!(matches!(buffer.next_line(), Err(LineError::NotText)));
}

#[test]
fn a_stream_is_read_line_by_line_to_its_end() {
    let mut stream = &b"one\n\ntail"[..];
    assert_eq!(read_line(&mut stream).unwrap().as_deref(), Some("one"));
    assert_eq!(read_line(&mut stream).unwrap().as_deref(), Some(""));
    assert!(matches!(read_line(&mut stream), Err(LineError::Cut)));
    assert!(read_line(&mut stream).unwrap().is_none());
}

#[test]
fn a_body_may_be_told_to_call_the_pool() {
    let order = Order::Call(Call::Get {
        handle: "h0".into(),
        timeout: None,
    });
    let text = line(&order);
    assert_eq!(
        text,
        "{\"call\":{\"cmd\":\"get\",\"handle\":\"h0\",\"timeout\":null}}\n"
    );
    assert_eq!(parse_order(text.trim_end()).unwrap(), order);
    let said = |text: &str| FromPuppet::parse(text).unwrap();
    assert_eq!(said(r#"{"ok":3}"#), FromPuppet::Returned(Ok(json!(3))));
    let error = ErrorReply {
        kind: "TimedOut".into(),
        text: "late".into(),
    };
    assert_eq!(
        said(r#"{"error":{"kind":"TimedOut","text":"late"}}"#),
        FromPuppet::Returned(Err(error))
    );
    assert!(FromPuppet::parse(r#"{"ok":1,"more":2}"#).is_err());
    assert!(FromPuppet::parse("{}").is_err());
}
