"""For instructors: grade a class, also one that you do not trust (`python -m pruninglab.grading`).

Release, gradebook, formgrader, feedback and export are nbgrader's own. Only what autograding does
with a submission is different, because stock nbgrader runs the tests inside the student's process,
where the student's code can change them, read them, and change the gradebook.

What happens to a submission
    intake      collect sorts by student what a learning platform hands over. read finds the file
                that counts: sizes are limited, links are not followed, nothing is unpacked to a
                place that a file names; what cannot be read ends with 0 points and a reason.
                canonical puts its solutions on the instructor's skeleton: of the student's
                notebook only the text of cells and attached pictures are taken.
    sandbox     runs it in a process without network, files, environment or rights, under limits:
                bubblewrap around a Python that forks (forkserver, inside), and a second set of
                namespaces for each submission, with fewer calls of the kernel (seccomp).
    protocol    connects that process and the tests. To a test, a student's function looks like any
                other: arguments go in, plain data come back, never a pickle.
    judging     runs the tests, outside of that process, and makes a graded notebook of what they
                find. Many submissions are judged at a time (pools), each in a process of its own
                (worker) that keeps a notebook alive in the sandbox (session).
    gradebook   enters it into nbgrader's gradebook, notes each mark in an append-only log with
                hashes of notebook and tests and the seed of the hidden tests' inputs, and writes
                feedback pages, tables and the class report.
    unseen      has the images that open tasks are measured on: in no bundle, and hidden in the
                sandbox.
    safe_html   renders and cleans what students wrote; what is stored and shown is inert HTML.

Threat model
    Assumed hostile: everything that a student hands in, and all code in it. It may try to get
    points for nothing; to read hidden tests, the gradebook, other submissions, or the instructor's
    files and environment; to reach the network; to use up the machine; to outlive its grading; to
    put scripts into pages that others open.
    Trusted: the instructor's course folder and account, the Linux kernel, bubblewrap, Python, torch
    and nbgrader.
    Kept out by:
    - Namespaces (user, process, mount, network, IPC) with no capabilities and no further ones
      inside; a read-only system, /proc included, so that no setting of the kernel can be written;
      a private /tmp and /dev/shm of limited size. Everything ends with the submission.
    - Limits on time, memory, processors, processes and files, and a watch that ends what exceeds
      them. Memory that the kernel holds for a submission counts as its own (sockets, page tables,
      stacks of threads) or is refused (message queues, semaphores, keys, locks of parts of files,
      larger buffers). Of sockets only the unix family can be opened.
    - Tests and expected values in another process, with hidden inputs from a fresh seed each run.
      An error in a test's own callback cannot be caught by the student's code.
    - What a function returns or changes is data. A network arrives as classes of torch.nn and the
      lab, parameters, buffers and plain attributes; hooks, patched methods, properties,
      parametrizations and classes of the student's own do not compute for a test. (In a callback
      they may, in the sandbox, if the whole network is the student's own.)
    - What is read is bounded: bytes, parts as often as a reader meets them, keys, seconds,
      pictures. An exercise that exceeds a bound loses its own points, even if it ends or holds up
      the process that reads it; the others keep theirs.
    - Text of students is rendered, cleaned and stored as inert HTML, and ids mean nothing in pages
      and tables.
    Should memory run short all the same, the heaviest sandbox ends first, and any sandbox before
    the gradebook's process. A sandbox that the machine has ended is not the student's error: the
    rest of the submission is judged again with no other one beside it. If that fails as well, the
    class report says so, and what had been judged is kept.

    Measured by `make test-attacks`, 223 cases through the real sandbox: of 58 forgeries none got a
    point, of 25 searches none found anything, after 61 attempts to use up time, memory or disk the
    other exercises kept their points, 30 damaged files each ended with a row, 49 odd but honest
    notebooks got all that they had earned. The longest took 38 s on a busy machine (limit: 40 s).

Not covered
    - A hole in the Linux kernel. Grade strangers in a virtual machine if that worries you.
    - Processor side channels and timing between processes on one machine.
    - A function that is right only on what the tests try. Hidden tests are as good as they are.
      (What they compare with stays with them; tests/grading/test_cheats.py tries to get at it.)
    - Inputs of hidden tests can show in what students read afterwards: an error names the case that
      failed, and a function can put its arguments into the text of its own error. They are random
      and new in each run; the tests' code and expected values are not in any text of a student's.
    - An exercise may be judged a second time with the course's own solutions of earlier exercises
      that it calls. Its code could read them there; only whether the test passes comes out.
    - The flag "its test passes in the notebook, but not here" looks at the visible part of a test:
      the hidden part never goes where the student's code runs, so what it would say there is not
      known. It is a hint who should be looked at; marks do not depend on it.
    - Students who copy from each other.
    - A zip of one student's that is built like ILIAS's zip of a class, under a name of their own:
      nothing tells it apart. `make grade` says so when it takes one for a class's; name what comes
      by mail after its student.
    - Formgrader shows a submission without a time limit: text can be made for which that takes
      very long. A feedback page has two minutes; "Who needs a look" names those that took longer.
    - The system's Python packages can be read inside: keep no secrets in site-packages.
    - Calls of the kernel are refused on x86_64 and aarch64 only; on other processors memory in
      files without a name (memfd) is not counted.
    - Grade as an ordinary user if you can. As root, the kernel does not limit processes; a watch
      looks twenty times a second instead, and a fork bomb can take a minute to end on a busy
      machine. To the kernel, the processes inside are then root's (without its rights): files of
      the system and of Python's packages that only root may read can be read there.
    - Control groups are not used: an ordinary user has none without systemd's delegation. What a
      submission uses is looked at twenty times a second, not held by the kernel.
    - A process inside may make itself slower (nice, SCHED_IDLE) or take the first place among
      ordinary disk accesses (all it can write to is memory). It counts among its grader's own
      processes for what the kernel allows each user: file watches, message queues.
    - `--unsafe-no-sandbox` gives all of this up, but for the separate process of the tests.

Report a hole to the maintainers in private (see CONTRIBUTING.md), with a notebook that shows it;
it becomes a case of tests/grading/test_attacks.py.
"""
