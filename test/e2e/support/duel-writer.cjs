// Runs in a workspace: replaces files again and again, and tells of each time what it replaced. A file is
// taken away before another one takes its name, so that no version goes without having been seen.
const fs = require('node:fs');
const [id, count, seconds] = process.argv.slice(-3);
const end = Date.now() + Number(seconds) * 1000;
// Names like this are not synced.
const [fresh, old] = ['new', 'old'].map((name) => `/workspace/.berth-tmp-${name}`);

function replace(number) {
  const file = `f${Math.floor(Math.random() * Number(count))}`;
  const wrote = `${id} ${number}`;
  const saw = [];
  fs.writeFileSync(fresh, wrote);
  do take(`/workspace/${file}`, saw);
  while (!give(`/workspace/${file}`));
  console.log(JSON.stringify({ file, saw, wrote }));
}

function take(file, saw) {
  try {
    fs.renameSync(file, old);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  saw.push(fs.readFileSync(old, 'utf8'));
  fs.rmSync(old);
}

function give(file) {
  try {
    fs.linkSync(fresh, file);
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
  fs.rmSync(fresh);
  return true;
}

let number = 0;
const timer = setInterval(() => {
  if (Date.now() > end) clearInterval(timer);
  else replace((number += 1));
}, 100);
