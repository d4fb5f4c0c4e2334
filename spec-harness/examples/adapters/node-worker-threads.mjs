#!/usr/bin/env -S node --no-memory-reducer
// A pool of Node.js worker threads, as one writes it from the documentation of `worker_threads`, behind spec/1.
import fs from 'node:fs';
import net from 'node:net';
import readline from 'node:readline';
import { Worker, isMainThread, parentPort, threadId, workerData } from 'node:worker_threads';

class Raised extends Error {
  constructor(kind, text) {
    super(text);
    this.kind = kind;
  }
}

const named = (error) => ({ kind: error.kind ?? error.name, text: error.message });

// --- puppets: tasks in the workers, callbacks in the program

// The kernel's number of the calling thread.
const tid = () => Number(fs.readlinkSync('/proc/thread-self').split('/').pop());

function act(where, begin) {
  return new Promise((resolve, reject) => {
    const connection = net.connect(where);
    connection.on('error', reject);
    connection.write(JSON.stringify({ pid: process.pid, tid: tid(), name: `worker-${threadId}`, ...begin }) + '\n');
    readline.createInterface({ input: connection }).on('line', async (line) => {
      const [[order, what]] = Object.entries(JSON.parse(line));
      if (order === 'call') {
        connection.write(JSON.stringify(await call(what)) + '\n');
        return;
      }
      connection.end(() => {
        if (order === 'return') resolve(what);
        else if (order === 'raise') reject(new Raised(what.kind, what.text));
        else reject(new Raised('Panicked', what));
      });
    });
  });
}

// --- the pool

class Pool {
  #queue = [];
  #idle = [];
  #workers = new Set();
  #closed = false;
  #gone = Promise.withResolvers?.() ?? deferred();

  constructor(size) {
    if (size < 1) throw new Raised('InvalidSize', 'a pool needs workers');
    for (let i = 0; i < size; i++) this.#hire();
  }

  #hire() {
    const worker = new Worker(new URL(import.meta.url), { workerData: where });
    this.#workers.add(worker);
    worker.on('message', ({ value, error }) => {
      const { resolve, reject } = worker.job;
      worker.job = null;
      if (error) reject(new Raised(error.kind, error.text));
      else resolve(value);
      this.#idle.push(worker);
      this.#next();
    });
    worker.on('exit', () => {
      this.#workers.delete(worker);
      if (this.#workers.size === 0) this.#gone.resolve();
    });
    this.#idle.push(worker);
  }

  #next() {
    while (this.#idle.length && this.#queue.length) {
      const worker = this.#idle.shift();
      worker.job = this.#queue.shift();
      worker.postMessage(worker.job.key);
    }
    if (this.#closed && !this.#queue.length && this.#idle.length === this.#workers.size) {
      for (const worker of this.#workers) worker.postMessage(null);
    }
  }

  run(key) {
    if (this.#closed) throw new Raised('NotRunning', 'the pool is closed');
    const job = { key, ...deferred() };
    this.#queue.push(job);
    this.#next();
    return job.promise;
  }

  close() {
    this.#closed = true;
    this.#next();
  }

  async terminate() {
    this.#closed = true;
    for (const job of this.#queue.splice(0)) job.reject(new Raised('Terminated', 'the pool was terminated'));
    for (const worker of this.#workers) {
      worker.job?.reject(new Raised('Terminated', 'the pool was terminated'));
      worker.terminate();
    }
  }

  join() {
    if (!this.#closed) throw new Raised('StillRunning', 'the pool is still running');
    return this.#gone.promise;
  }
}

function deferred() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}

// --- requests

const pools = new Map();
const handles = new Map();
let where;

function hello({ socket }) {
  where = socket;
  return {
    name: 'worker_threads',
    version: process.versions.node,
    kinds: ['thread'],
    can: [...Object.keys(COMMANDS).filter((name) => name !== 'hello'), 'callback', 'threads', 'call_from_callback'],
    declines: {
      L5: 'a worker thread can be stopped in the middle of a task, and is',
      L9: 'a program that ends stops its worker threads',
      O2: 'every item is a task',
      O4: 'every item is a task',
      O7: 'Promise.all fails with the first error, at once',
    },
  };
}

function keep(handle, promise) {
  const kept = { promise, state: 'pending' };
  promise.then(() => (kept.state = 'done'), () => (kept.state = 'failed'));
  handles.set(handle, kept);
}

function called(promise, callback, error_callback) {
  if (callback == null && error_callback == null) return promise;
  const after = async (key, outcome) => key != null && (await act(where, { begin: key, callback: true, ...outcome }));
  return promise.then(
    async (value) => (await after(callback, { value }), value),
    async (error) => (await after(error_callback, { error: named(error) }), Promise.reject(error)),
  );
}

function within(promise, timeout) {
  if (timeout == null) return promise;
  const late = deferred();
  const timer = setTimeout(() => late.reject(new Raised('TimedOut', 'not in time')), timeout * 1000);
  return Promise.race([promise, late.promise]).finally(() => clearTimeout(timer));
}

const all = ({ pool, keys }) => Promise.all(keys.map((key) => pools.get(pool).run(key)));

const COMMANDS = {
  hello,
  pool: ({ pool, size }) => void pools.set(pool, new Pool(size ?? 4)),
  apply: ({ pool, key }) => pools.get(pool).run(key),
  apply_async: ({ pool, key, handle, callback, error_callback }) =>
    keep(handle, called(pools.get(pool).run(key), callback, error_callback)),
  map: all,
  map_async: (call) => keep(call.handle, called(all(call), call.callback, call.error_callback)),
  get: ({ handle, timeout }) => within(handles.get(handle).promise, timeout),
  wait: ({ handle, timeout }) => within(handles.get(handle).promise, timeout).then(() => null, () => null),
  ready: ({ handle }) => handles.get(handle).state !== 'pending',
  successful: ({ handle }) => {
    const { state } = handles.get(handle);
    if (state === 'pending') throw new Raised('NotReady', 'not ready');
    return state === 'done';
  },
  close: ({ pool }) => pools.get(pool).close(),
  terminate: ({ pool }) => void pools.get(pool).terminate(),
  join: ({ pool }) => pools.get(pool).join().then(() => null),
  drop: ({ pool }) => void pools.delete(pool),
};

async function call({ cmd, ...rest }) {
  try {
    return { ok: (await COMMANDS[cmd](rest)) ?? null };
  } catch (error) {
    return { error: named(error) };
  }
}

if (isMainThread) {
  process.on('unhandledRejection', () => {}); // an error that nobody looks at
  const requests = readline.createInterface({ input: fs.createReadStream(null, { fd: 0 }) });
  requests.on('line', async (line) => {
    const { id, by, ...request } = JSON.parse(line);
    if (request.cmd === 'exit') process.exit(0); // main returns; worker threads end with it
    const reply = await call(request);
    process.stdout.write(JSON.stringify({ id, ...reply }) + '\n');
  });
  requests.on('close', () => process.exit(70));
} else {
  where = workerData;
  parentPort.on('message', async (key) => {
    if (key === null) process.exit(); // the thread, not the program
    try {
      parentPort.postMessage({ value: await act(where, { begin: key }) });
    } catch (error) {
      parentPort.postMessage({ error: named(error) });
    }
  });
}
