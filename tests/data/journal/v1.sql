-- A journal of version 1, recorded with sqlite3's .dump: one migration completed, one failed, one
-- cancelled, one copied and owed to an API that is away.
PRAGMA user_version=1;
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE migration (
    id                  INTEGER PRIMARY KEY,  -- as in the shift API
    cluster             TEXT NOT NULL,
    database            TEXT NOT NULL,        -- after database_override
    table_name          TEXT NOT NULL,
    host                TEXT NOT NULL,        -- database server, after host_override
    port                INTEGER NOT NULL,
    ddl_statement       TEXT NOT NULL,
    status              INTEGER NOT NULL,     -- the API's status when last seen (3 = running ...)
    status_name         TEXT NOT NULL,
    lock_version        INTEGER NOT NULL,
    state               TEXT NOT NULL,        -- where it stands here: docs/states.md
    since               TEXT NOT NULL,        -- in that state since (ISO 8601, UTC)
    reason              TEXT NOT NULL,        -- why it waits, '' = it does not
    step                TEXT NOT NULL,        -- prepare run rename pause cancel, '' = none claimed
    claim               INTEGER NOT NULL,     -- running number of our claims of it
    claim_id            TEXT NOT NULL,
    listed_lock_version INTEGER NOT NULL,
    tries               INTEGER NOT NULL,
    next_try_at         TEXT NOT NULL,        -- '' = at once
    attempt             INTEGER NOT NULL,     -- the latest, 0 = none
    no_return           INTEGER NOT NULL,     -- 1 = the table has been changed
    release             INTEGER NOT NULL,     -- 1 = being handed back (drain)
    log_offset          INTEGER NOT NULL,     -- bytes of the log that are owed or sent
    state_hash          TEXT NOT NULL,
    payload             TEXT NOT NULL,        -- the migration as last seen, JSON
    first_seen          TEXT NOT NULL
) STRICT;
INSERT INTO migration VALUES(1,'default','app','t','127.0.0.1',48561,'ALTER TABLE t ADD COLUMN c INT',8,'completed',20,'handed on','2026-11-25T23:54:00.655Z','','rename',3,'8ee752cd6a69b1c9a1ab0b37afea7b8d',15,0,'',3,1,0,3951,'e6c70e5c9367e916','{"action":2,"cluster_name":"default","custom_options":"{\"max_threads_running\":\"200\",\"max_replication_lag\":\"1\",\"config_path\":\"\",\"recursion_method\":\"\"}","database":"app","ddl_statement":"ALTER TABLE t ADD COLUMN c INT","final_insert":"INSERT INTO versions (v) VALUES (1)","host":"127.0.0.1","id":1,"lock_version":20,"mode":0,"port":48561,"run_host":"","runtype":1,"staged":false,"status":8,"table":"t"}','2026-11-25T23:53:55.590Z');
INSERT INTO migration VALUES(2,'default','app','nothere','127.0.0.1',48561,'ALTER TABLE nothere ADD COLUMN c INT',10,'failed',4,'handed on','2026-11-25T23:54:01.272Z','','prepare',1,'a45618a8b295bab2702a7c98066f9d19',0,0,'',4,0,0,0,'','{"action":2,"cluster_name":"default","custom_options":"{\"max_threads_running\":\"200\",\"max_replication_lag\":\"1\",\"config_path\":\"\",\"recursion_method\":\"\"}","database":"app","ddl_statement":"ALTER TABLE nothere ADD COLUMN c INT","final_insert":"","host":"127.0.0.1","id":2,"lock_version":4,"mode":0,"port":48561,"run_host":"","runtype":1,"staged":false,"status":10,"table":"nothere"}','2026-11-25T23:54:00.764Z');
INSERT INTO migration VALUES(3,'default','app','t','127.0.0.1',48561,'ALTER TABLE t ADD COLUMN d INT',9,'canceled',18,'handed on','2026-11-25T23:54:05.575Z','','cancel',3,'de2172ebf9a23ce82467729a1c2dbf28',15,0,'',7,0,0,3783,'11921b2b35c01442','{"action":2,"cluster_name":"default","custom_options":"{\"max_threads_running\":\"200\",\"max_replication_lag\":\"1\",\"config_path\":\"\",\"recursion_method\":\"\"}","database":"app","ddl_statement":"ALTER TABLE t ADD COLUMN d INT","final_insert":"","host":"127.0.0.1","id":3,"lock_version":18,"mode":0,"port":48561,"run_host":"","runtype":1,"staged":false,"status":9,"table":"t"}','2026-11-25T23:54:01.276Z');
INSERT INTO migration VALUES(4,'default','app','u','127.0.0.1',48561,'ALTER TABLE u ADD COLUMN c INT',3,'running',9,'delivering','2026-11-25T23:54:11.759Z','','run',2,'41491cf737b883b0bfa547fae644b8e4',8,0,'',9,0,0,3450,'872b34e8aef6f0ab','{"action":2,"cluster_name":"default","custom_options":"{\"max_threads_running\":\"200\",\"max_replication_lag\":\"1\",\"config_path\":\"\",\"recursion_method\":\"\"}","database":"app","ddl_statement":"ALTER TABLE u ADD COLUMN c INT","final_insert":"","host":"127.0.0.1","id":4,"lock_version":9,"mode":0,"port":48561,"run_host":"","runtype":1,"staged":false,"status":3,"table":"u"}','2026-11-25T23:54:05.779Z');
CREATE TABLE attempt (                        -- one worker process for one step of a migration
    id           INTEGER PRIMARY KEY,         -- also the folder STATE_DIR/attempts/<id>
    migration_id INTEGER NOT NULL REFERENCES migration(id),
    claim        INTEGER NOT NULL,
    step         TEXT NOT NULL,
    engine       TEXT NOT NULL,
    tries        INTEGER NOT NULL,            -- which try of the step, from 1
    ended        INTEGER NOT NULL,            -- 0 = open
    pid          INTEGER NOT NULL,            -- worker; 0 = spawn intended, not yet known
    start_ticks  INTEGER NOT NULL,
    boot_id      TEXT NOT NULL,
    engine_pid   INTEGER NOT NULL,            -- pt-osc; 0 = none
    engine_start_ticks INTEGER NOT NULL,
    last_seq     INTEGER NOT NULL,            -- last event of events.jsonl in this journal
    phase        TEXT NOT NULL,               -- what it is at: dry-run copy swap ...
    percent      REAL,                        -- progress, written every 5 s at most; NULL = unknown
    rows_done    INTEGER,
    rows_total   INTEGER,                     -- an estimate
    rows_per_s   REAL,
    eta_s        INTEGER,
    throttle     TEXT NOT NULL,               -- why it pauses, '' = it does not
    started_at   TEXT NOT NULL,
    ended_at     TEXT NOT NULL,
    outcome      TEXT NOT NULL,               -- '' = died without one (or still open)
    reason       TEXT NOT NULL,
    message      TEXT NOT NULL
) STRICT;
INSERT INTO attempt VALUES(1,1,1,'prepare','pt-osc',1,1,12997,133140,'57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8',13005,133209,14,'dry-run',NULL,NULL,NULL,NULL,NULL,'','2026-11-25T23:53:55.790Z','2026-11-25T23:53:57.005Z','prepared','','');
INSERT INTO attempt VALUES(2,1,2,'run','pt-osc',1,1,13014,133354,'57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8',13017,133369,14,'copy',100.0,500,500,1268.099999999999909,0,'','2026-11-25T23:53:57.920Z','2026-11-25T23:53:58.948Z','copied','','');
INSERT INTO attempt VALUES(3,1,3,'rename','pt-osc',1,1,13029,133558,'57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8',0,0,23,'final insert',NULL,NULL,NULL,NULL,NULL,'','2026-11-25T23:53:59.954Z','2026-11-25T23:54:00.255Z','completed','','');
INSERT INTO attempt VALUES(4,2,1,'prepare','pt-osc',1,1,13042,133659,'57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8',0,0,4,'preflight',NULL,NULL,NULL,NULL,NULL,'','2026-11-25T23:54:00.971Z','2026-11-25T23:54:01.072Z','failed','no_table','table app.nothere does not exist');
INSERT INTO attempt VALUES(5,3,1,'prepare','pt-osc',1,1,13048,133708,'57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8',13051,133738,12,'dry-run',NULL,NULL,NULL,NULL,NULL,'','2026-11-25T23:54:01.473Z','2026-11-25T23:54:02.397Z','prepared','','');
INSERT INTO attempt VALUES(6,3,2,'run','pt-osc',1,1,13065,133892,'57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8',13068,133908,14,'copy',100.0,500,500,941.10000000000002271,0,'','2026-11-25T23:54:03.305Z','2026-11-25T23:54:04.438Z','copied','','');
INSERT INTO attempt VALUES(7,3,3,'cancel','pt-osc',1,1,13093,134085,'57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8',0,0,11,'clean-up',NULL,NULL,NULL,NULL,NULL,'','2026-11-25T23:54:05.241Z','2026-11-25T23:54:05.379Z','cancelled','','');
INSERT INTO attempt VALUES(8,4,1,'prepare','pt-osc',1,1,13110,134158,'57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8',13115,134186,12,'dry-run',NULL,NULL,NULL,NULL,NULL,'','2026-11-25T23:54:05.977Z','2026-11-25T23:54:06.894Z','prepared','','');
INSERT INTO attempt VALUES(9,4,2,'run','pt-osc',1,1,13135,134341,'57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8',13143,134353,17,'copy',100.0,5000,5000,1545.7999999999999545,0,'','2026-11-25T23:54:07.813Z','2026-11-25T23:54:11.759Z','copied','','');
CREATE TABLE event (                          -- append-only history: who did what when and why
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    at           TEXT NOT NULL,
    migration_id INTEGER NOT NULL,            -- 0 = the daemon itself
    claim        INTEGER NOT NULL,
    attempt      INTEGER NOT NULL,
    source       TEXT NOT NULL,               -- supervisor worker api operator
    kind         TEXT NOT NULL,
    detail       TEXT NOT NULL                -- JSON
) STRICT;
INSERT INTO event VALUES(1,'2026-11-25T23:53:54.584Z',0,0,0,'supervisor','started','{"open_migrations":0,"pid":12980,"run_host":"runner-1","version":"0.1.0"}');
INSERT INTO event VALUES(2,'2026-11-25T23:53:55.590Z',1,1,0,'supervisor','claim_intent','{"lock_version":0,"status":0,"step":"prepare"}');
INSERT INTO event VALUES(3,'2026-11-25T23:53:55.593Z',1,1,0,'api','claimed','{"lock_version":1,"read_back":false,"run_host":"","status":0}');
INSERT INTO event VALUES(4,'2026-11-25T23:53:55.790Z',1,1,1,'supervisor','spawn_intended','{"step":"prepare"}');
INSERT INTO event VALUES(5,'2026-11-25T23:53:55.805Z',1,1,1,'supervisor','spawned','{"pid":12997}');
INSERT INTO event VALUES(6,'2026-11-25T23:53:55.815Z',1,1,1,'worker','started','{"boot_id":"57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8","pid":12997,"start_ticks":133140,"version":"0.1.0"}');
INSERT INTO event VALUES(7,'2026-11-25T23:53:55.815Z',1,1,1,'worker','phase','{"phase":"preflight"}');
INSERT INTO event VALUES(8,'2026-11-25T23:53:55.822Z',1,1,1,'worker','connected','{"role":"look","server_started":1795650834,"server_uuid":"vm:48561:1","server_version":"10.11.19-MariaDB-0+deb12u1-log","thread_id":7,"user":"shift"}');
INSERT INTO event VALUES(9,'2026-11-25T23:53:55.825Z',1,1,1,'worker','phase','{"phase":"final insert check"}');
INSERT INTO event VALUES(10,'2026-11-25T23:53:55.832Z',1,1,1,'worker','connected','{"role":"final insert check","server_started":1795650834,"server_uuid":"vm:48561:1","server_version":"10.11.19-MariaDB-0+deb12u1-log","thread_id":8,"user":"shift"}');
INSERT INTO event VALUES(11,'2026-11-25T23:53:56.373Z',1,1,1,'worker','connected','{"role":"lock","server_started":1795650834,"server_uuid":"vm:48561:1","server_version":"10.11.19-MariaDB-0+deb12u1-log","thread_id":10,"user":"shift"}');
INSERT INTO event VALUES(12,'2026-11-25T23:53:56.376Z',1,1,1,'worker','intent','{"db":"app","table":"_shift_1_check","what":"scratch"}');
INSERT INTO event VALUES(13,'2026-11-25T23:53:56.484Z',1,1,1,'worker','fact','{"db":"app","table":"_shift_1_check","what":"dropped"}');
INSERT INTO event VALUES(14,'2026-11-25T23:53:56.488Z',1,1,1,'worker','phase','{"phase":"dry-run"}');
INSERT INTO event VALUES(15,'2026-11-25T23:53:56.496Z',1,1,1,'worker','intent','{"db":"app","table":"_1_t_new","what":"shadow"}');
INSERT INTO event VALUES(16,'2026-11-25T23:53:56.507Z',1,1,1,'worker','engine','{"boot_id":"57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8","flavour":"basic","pid":13005,"start_ticks":133209,"version":"3.2.1"}');
INSERT INTO event VALUES(17,'2026-11-25T23:53:56.910Z',1,1,1,'worker','fact','{"db":"app","table":"_1_t_new","what":"dropped"}');
INSERT INTO event VALUES(18,'2026-11-25T23:53:56.910Z',1,1,1,'worker','stats','{"index_size":16384,"table_rows":500,"table_size":98304,"when":"start"}');
INSERT INTO event VALUES(19,'2026-11-25T23:53:56.913Z',1,1,1,'worker','outcome','{"outcome":"prepared"}');
INSERT INTO event VALUES(20,'2026-11-25T23:53:57.005Z',1,1,1,'supervisor','ended','{"message":"","outcome":"prepared"}');
INSERT INTO event VALUES(21,'2026-11-25T23:53:57.006Z',1,1,1,'supervisor','owes','{"call":"next_step","message":""}');
INSERT INTO event VALUES(22,'2026-11-25T23:53:57.309Z',1,1,1,'api','told','{"answer":"200","call":"next_step","state":"done"}');
INSERT INTO event VALUES(23,'2026-11-25T23:53:57.617Z',1,2,1,'supervisor','claim_intent','{"lock_version":8,"status":3,"step":"run"}');
INSERT INTO event VALUES(24,'2026-11-25T23:53:57.621Z',1,2,1,'api','claimed','{"lock_version":9,"read_back":false,"run_host":"","status":3}');
INSERT INTO event VALUES(25,'2026-11-25T23:53:57.920Z',1,2,2,'supervisor','spawn_intended','{"step":"run"}');
INSERT INTO event VALUES(26,'2026-11-25T23:53:57.943Z',1,2,2,'supervisor','spawned','{"pid":13014}');
INSERT INTO event VALUES(27,'2026-11-25T23:53:57.950Z',1,2,2,'worker','started','{"boot_id":"57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8","pid":13014,"start_ticks":133354,"version":"0.1.0"}');
INSERT INTO event VALUES(28,'2026-11-25T23:53:57.951Z',1,2,2,'worker','phase','{"phase":"preflight"}');
INSERT INTO event VALUES(29,'2026-11-25T23:53:57.954Z',1,2,2,'worker','connected','{"role":"look","server_started":1795650834,"server_uuid":"vm:48561:1","server_version":"10.11.19-MariaDB-0+deb12u1-log","thread_id":13,"user":"shift"}');
INSERT INTO event VALUES(30,'2026-11-25T23:53:57.959Z',1,2,2,'worker','connected','{"role":"lock","server_started":1795650834,"server_uuid":"vm:48561:1","server_version":"10.11.19-MariaDB-0+deb12u1-log","thread_id":14,"user":"shift"}');
INSERT INTO event VALUES(31,'2026-11-25T23:53:58.081Z',1,2,2,'worker','intent','{"db":"app","table":"_1_t_new","what":"shadow"}');
INSERT INTO event VALUES(32,'2026-11-25T23:53:58.083Z',1,2,2,'worker','intent','{"db":"app","names":["pt_osc_app_t_del","pt_osc_app_t_upd","pt_osc_app_t_ins"],"table":"t","what":"triggers"}');
INSERT INTO event VALUES(33,'2026-11-25T23:53:58.092Z',1,2,2,'worker','phase','{"phase":"create"}');
INSERT INTO event VALUES(34,'2026-11-25T23:53:58.094Z',1,2,2,'worker','engine','{"boot_id":"57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8","flavour":"stock","pid":13017,"start_ticks":133369,"version":"3.2.1"}');
INSERT INTO event VALUES(35,'2026-11-25T23:53:58.094Z',1,2,2,'worker','note','{"level":"info","text":"no replicas were found; no lag is watched"}');
INSERT INTO event VALUES(36,'2026-11-25T23:53:58.595Z',1,2,2,'worker','phase','{"phase":"copy"}');
INSERT INTO event VALUES(37,'2026-11-25T23:53:58.920Z',1,2,2,'worker','fact','{"db":"app","table":"_1_t_new","what":"copied"}');
INSERT INTO event VALUES(38,'2026-11-25T23:53:58.924Z',1,2,2,'worker','outcome','{"outcome":"copied"}');
INSERT INTO event VALUES(39,'2026-11-25T23:53:58.948Z',1,2,2,'supervisor','ended','{"message":"","outcome":"copied"}');
INSERT INTO event VALUES(40,'2026-11-25T23:53:58.948Z',1,2,2,'supervisor','owes','{"call":"next_step","message":""}');
INSERT INTO event VALUES(41,'2026-11-25T23:53:59.350Z',1,2,2,'api','told','{"answer":"200","call":"next_step","state":"done"}');
INSERT INTO event VALUES(42,'2026-11-25T23:53:59.651Z',1,3,2,'supervisor','claim_intent','{"lock_version":15,"status":5,"step":"rename"}');
INSERT INTO event VALUES(43,'2026-11-25T23:53:59.660Z',1,3,2,'api','claimed','{"lock_version":16,"read_back":false,"run_host":"","status":5}');
INSERT INTO event VALUES(44,'2026-11-25T23:53:59.954Z',1,3,3,'supervisor','spawn_intended','{"step":"rename"}');
INSERT INTO event VALUES(45,'2026-11-25T23:53:59.989Z',1,3,3,'supervisor','spawned','{"pid":13029}');
INSERT INTO event VALUES(46,'2026-11-25T23:53:59.997Z',1,3,3,'worker','started','{"boot_id":"57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8","pid":13029,"start_ticks":133558,"version":"0.1.0"}');
INSERT INTO event VALUES(47,'2026-11-25T23:53:59.999Z',1,3,3,'worker','phase','{"phase":"preflight"}');
INSERT INTO event VALUES(48,'2026-11-25T23:54:00.001Z',1,3,3,'worker','connected','{"role":"look","server_started":1795650834,"server_uuid":"vm:48561:1","server_version":"10.11.19-MariaDB-0+deb12u1-log","thread_id":18,"user":"shift"}');
INSERT INTO event VALUES(49,'2026-11-25T23:54:00.011Z',1,3,3,'worker','connected','{"role":"lock","server_started":1795650834,"server_uuid":"vm:48561:1","server_version":"10.11.19-MariaDB-0+deb12u1-log","thread_id":19,"user":"shift"}');
INSERT INTO event VALUES(50,'2026-11-25T23:54:00.020Z',1,3,3,'worker','phase','{"phase":"analyze"}');
INSERT INTO event VALUES(51,'2026-11-25T23:54:00.022Z',1,3,3,'worker','connected','{"role":"analyze","server_started":1795650834,"server_uuid":"vm:48561:1","server_version":"10.11.19-MariaDB-0+deb12u1-log","thread_id":20,"user":"shift"}');
INSERT INTO event VALUES(52,'2026-11-25T23:54:00.030Z',1,3,3,'worker','phase','{"phase":"swap"}');
INSERT INTO event VALUES(53,'2026-11-25T23:54:00.040Z',1,3,3,'worker','intent','{"db":"app","old":"20261125235400030_t","shadow":"_1_t_new","table":"t","what":"swap"}');
INSERT INTO event VALUES(54,'2026-11-25T23:54:00.096Z',1,3,3,'worker','no_return','{"what":"swap"}');
INSERT INTO event VALUES(55,'2026-11-25T23:54:00.097Z',1,3,3,'worker','note','{"level":"info","text":"swapped t and _1_t_new; the original is 20261125235400030_t now"}');
INSERT INTO event VALUES(56,'2026-11-25T23:54:00.097Z',1,3,3,'worker','phase','{"phase":"clean-up"}');
INSERT INTO event VALUES(57,'2026-11-25T23:54:00.120Z',1,3,3,'worker','note','{"level":"info","text":"dropped trigger pt_osc_app_t_ins"}');
INSERT INTO event VALUES(58,'2026-11-25T23:54:00.146Z',1,3,3,'worker','note','{"level":"info","text":"dropped trigger pt_osc_app_t_upd"}');
INSERT INTO event VALUES(59,'2026-11-25T23:54:00.155Z',1,3,3,'worker','note','{"level":"info","text":"dropped trigger pt_osc_app_t_del"}');
INSERT INTO event VALUES(60,'2026-11-25T23:54:00.156Z',1,3,3,'worker','intent','{"db":"pending_drops","table":"20261125235400030_t","what":"trash"}');
INSERT INTO event VALUES(61,'2026-11-25T23:54:00.180Z',1,3,3,'worker','note','{"level":"info","text":"moved the old table to pending_drops.20261125235400030_t"}');
INSERT INTO event VALUES(62,'2026-11-25T23:54:00.181Z',1,3,3,'worker','stats','{"index_size":16384,"table_rows":500,"table_size":98304,"when":"end"}');
INSERT INTO event VALUES(63,'2026-11-25T23:54:00.181Z',1,3,3,'worker','phase','{"phase":"final insert"}');
INSERT INTO event VALUES(64,'2026-11-25T23:54:00.183Z',1,3,3,'worker','intent','{"mode":"xa","what":"final_insert","xid":"shift-1"}');
INSERT INTO event VALUES(65,'2026-11-25T23:54:00.184Z',1,3,3,'worker','fact','{"state":"prepared","what":"final_insert","xid":"shift-1"}');
INSERT INTO event VALUES(66,'2026-11-25T23:54:00.188Z',1,3,3,'worker','fact','{"state":"committed","what":"final_insert","xid":"shift-1"}');
INSERT INTO event VALUES(67,'2026-11-25T23:54:00.192Z',1,3,3,'worker','note','{"level":"info","text":"final insert done"}');
INSERT INTO event VALUES(68,'2026-11-25T23:54:00.192Z',1,3,3,'worker','outcome','{"outcome":"completed"}');
INSERT INTO event VALUES(69,'2026-11-25T23:54:00.255Z',1,3,3,'supervisor','ended','{"message":"","outcome":"completed"}');
INSERT INTO event VALUES(70,'2026-11-25T23:54:00.255Z',1,3,3,'supervisor','owes','{"call":"complete","message":""}');
INSERT INTO event VALUES(71,'2026-11-25T23:54:00.560Z',1,3,3,'api','told','{"answer":"200","call":"complete","state":"done"}');
INSERT INTO event VALUES(72,'2026-11-25T23:54:00.764Z',2,1,0,'supervisor','claim_intent','{"lock_version":0,"status":0,"step":"prepare"}');
INSERT INTO event VALUES(73,'2026-11-25T23:54:00.776Z',2,1,0,'api','claimed','{"lock_version":1,"read_back":false,"run_host":"","status":0}');
INSERT INTO event VALUES(74,'2026-11-25T23:54:00.971Z',2,1,4,'supervisor','spawn_intended','{"step":"prepare"}');
INSERT INTO event VALUES(75,'2026-11-25T23:54:01.003Z',2,1,4,'supervisor','spawned','{"pid":13042}');
INSERT INTO event VALUES(76,'2026-11-25T23:54:01.013Z',2,1,4,'worker','started','{"boot_id":"57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8","pid":13042,"start_ticks":133659,"version":"0.1.0"}');
INSERT INTO event VALUES(77,'2026-11-25T23:54:01.013Z',2,1,4,'worker','phase','{"phase":"preflight"}');
INSERT INTO event VALUES(78,'2026-11-25T23:54:01.015Z',2,1,4,'worker','connected','{"role":"look","server_started":1795650834,"server_uuid":"vm:48561:1","server_version":"10.11.19-MariaDB-0+deb12u1-log","thread_id":21,"user":"shift"}');
INSERT INTO event VALUES(79,'2026-11-25T23:54:01.022Z',2,1,4,'worker','outcome','{"message":"table app.nothere does not exist","outcome":"failed","reason":"no_table"}');
INSERT INTO event VALUES(80,'2026-11-25T23:54:01.072Z',2,1,4,'supervisor','ended','{"message":"table app.nothere does not exist","outcome":"failed"}');
INSERT INTO event VALUES(81,'2026-11-25T23:54:01.072Z',2,1,4,'supervisor','owes','{"call":"fail","message":"table app.nothere does not exist"}');
INSERT INTO event VALUES(82,'2026-11-25T23:54:01.177Z',2,1,4,'api','told','{"answer":"200","call":"fail","state":"done"}');
INSERT INTO event VALUES(83,'2026-11-25T23:54:01.277Z',3,1,0,'supervisor','claim_intent','{"lock_version":0,"status":0,"step":"prepare"}');
INSERT INTO event VALUES(84,'2026-11-25T23:54:01.278Z',3,1,0,'api','claimed','{"lock_version":1,"read_back":false,"run_host":"","status":0}');
INSERT INTO event VALUES(85,'2026-11-25T23:54:01.473Z',3,1,5,'supervisor','spawn_intended','{"step":"prepare"}');
INSERT INTO event VALUES(86,'2026-11-25T23:54:01.497Z',3,1,5,'supervisor','spawned','{"pid":13048}');
INSERT INTO event VALUES(87,'2026-11-25T23:54:01.502Z',3,1,5,'worker','started','{"boot_id":"57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8","pid":13048,"start_ticks":133708,"version":"0.1.0"}');
INSERT INTO event VALUES(88,'2026-11-25T23:54:01.502Z',3,1,5,'worker','phase','{"phase":"preflight"}');
INSERT INTO event VALUES(89,'2026-11-25T23:54:01.506Z',3,1,5,'worker','connected','{"role":"look","server_started":1795650834,"server_uuid":"vm:48561:1","server_version":"10.11.19-MariaDB-0+deb12u1-log","thread_id":22,"user":"shift"}');
INSERT INTO event VALUES(90,'2026-11-25T23:54:01.606Z',3,1,5,'worker','connected','{"role":"lock","server_started":1795650834,"server_uuid":"vm:48561:1","server_version":"10.11.19-MariaDB-0+deb12u1-log","thread_id":24,"user":"shift"}');
INSERT INTO event VALUES(91,'2026-11-25T23:54:01.608Z',3,1,5,'worker','intent','{"db":"app","table":"_shift_3_check","what":"scratch"}');
INSERT INTO event VALUES(92,'2026-11-25T23:54:01.768Z',3,1,5,'worker','fact','{"db":"app","table":"_shift_3_check","what":"dropped"}');
INSERT INTO event VALUES(93,'2026-11-25T23:54:01.772Z',3,1,5,'worker','phase','{"phase":"dry-run"}');
INSERT INTO event VALUES(94,'2026-11-25T23:54:01.781Z',3,1,5,'worker','intent','{"db":"app","table":"_3_t_new","what":"shadow"}');
INSERT INTO event VALUES(95,'2026-11-25T23:54:01.790Z',3,1,5,'worker','engine','{"boot_id":"57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8","flavour":"basic","pid":13051,"start_ticks":133738,"version":"3.2.1"}');
INSERT INTO event VALUES(96,'2026-11-25T23:54:02.298Z',3,1,5,'worker','fact','{"db":"app","table":"_3_t_new","what":"dropped"}');
INSERT INTO event VALUES(97,'2026-11-25T23:54:02.300Z',3,1,5,'worker','stats','{"index_size":16384,"table_rows":500,"table_size":98304,"when":"start"}');
INSERT INTO event VALUES(98,'2026-11-25T23:54:02.300Z',3,1,5,'worker','outcome','{"outcome":"prepared"}');
INSERT INTO event VALUES(99,'2026-11-25T23:54:02.397Z',3,1,5,'supervisor','ended','{"message":"","outcome":"prepared"}');
INSERT INTO event VALUES(100,'2026-11-25T23:54:02.397Z',3,1,5,'supervisor','owes','{"call":"next_step","message":""}');
INSERT INTO event VALUES(101,'2026-11-25T23:54:02.700Z',3,1,5,'api','told','{"answer":"200","call":"next_step","state":"done"}');
INSERT INTO event VALUES(102,'2026-11-25T23:54:03.001Z',3,2,5,'supervisor','claim_intent','{"lock_version":8,"status":3,"step":"run"}');
INSERT INTO event VALUES(103,'2026-11-25T23:54:03.008Z',3,2,5,'api','claimed','{"lock_version":9,"read_back":false,"run_host":"","status":3}');
INSERT INTO event VALUES(104,'2026-11-25T23:54:03.305Z',3,2,6,'supervisor','spawn_intended','{"step":"run"}');
INSERT INTO event VALUES(105,'2026-11-25T23:54:03.329Z',3,2,6,'supervisor','spawned','{"pid":13065}');
INSERT INTO event VALUES(106,'2026-11-25T23:54:03.334Z',3,2,6,'worker','started','{"boot_id":"57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8","pid":13065,"start_ticks":133892,"version":"0.1.0"}');
INSERT INTO event VALUES(107,'2026-11-25T23:54:03.334Z',3,2,6,'worker','phase','{"phase":"preflight"}');
INSERT INTO event VALUES(108,'2026-11-25T23:54:03.342Z',3,2,6,'worker','connected','{"role":"look","server_started":1795650834,"server_uuid":"vm:48561:1","server_version":"10.11.19-MariaDB-0+deb12u1-log","thread_id":27,"user":"shift"}');
INSERT INTO event VALUES(109,'2026-11-25T23:54:03.348Z',3,2,6,'worker','connected','{"role":"lock","server_started":1795650834,"server_uuid":"vm:48561:1","server_version":"10.11.19-MariaDB-0+deb12u1-log","thread_id":28,"user":"shift"}');
INSERT INTO event VALUES(110,'2026-11-25T23:54:03.474Z',3,2,6,'worker','intent','{"db":"app","table":"_3_t_new","what":"shadow"}');
INSERT INTO event VALUES(111,'2026-11-25T23:54:03.476Z',3,2,6,'worker','intent','{"db":"app","names":["pt_osc_app_t_del","pt_osc_app_t_upd","pt_osc_app_t_ins"],"table":"t","what":"triggers"}');
INSERT INTO event VALUES(112,'2026-11-25T23:54:03.485Z',3,2,6,'worker','phase','{"phase":"create"}');
INSERT INTO event VALUES(113,'2026-11-25T23:54:03.488Z',3,2,6,'worker','note','{"level":"info","text":"no replicas were found; no lag is watched"}');
INSERT INTO event VALUES(114,'2026-11-25T23:54:03.488Z',3,2,6,'worker','engine','{"boot_id":"57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8","flavour":"stock","pid":13068,"start_ticks":133908,"version":"3.2.1"}');
INSERT INTO event VALUES(115,'2026-11-25T23:54:04.089Z',3,2,6,'worker','phase','{"phase":"copy"}');
INSERT INTO event VALUES(116,'2026-11-25T23:54:04.420Z',3,2,6,'worker','fact','{"db":"app","table":"_3_t_new","what":"copied"}');
INSERT INTO event VALUES(117,'2026-11-25T23:54:04.424Z',3,2,6,'worker','outcome','{"outcome":"copied"}');
INSERT INTO event VALUES(118,'2026-11-25T23:54:04.438Z',3,2,6,'supervisor','ended','{"message":"","outcome":"copied"}');
INSERT INTO event VALUES(119,'2026-11-25T23:54:04.438Z',3,2,6,'supervisor','owes','{"call":"next_step","message":""}');
INSERT INTO event VALUES(120,'2026-11-25T23:54:04.840Z',3,2,6,'api','told','{"answer":"200","call":"next_step","state":"done"}');
INSERT INTO event VALUES(121,'2026-11-25T23:54:04.939Z',3,3,6,'supervisor','claim_intent','{"lock_version":15,"status":9,"step":"cancel"}');
INSERT INTO event VALUES(122,'2026-11-25T23:54:04.947Z',3,3,6,'api','claimed','{"lock_version":16,"read_back":false,"run_host":"","status":9}');
INSERT INTO event VALUES(123,'2026-11-25T23:54:05.241Z',3,3,7,'supervisor','spawn_intended','{"step":"cancel"}');
INSERT INTO event VALUES(124,'2026-11-25T23:54:05.268Z',3,3,7,'supervisor','spawned','{"pid":13093}');
INSERT INTO event VALUES(125,'2026-11-25T23:54:05.277Z',3,3,7,'worker','started','{"boot_id":"57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8","pid":13093,"start_ticks":134085,"version":"0.1.0"}');
INSERT INTO event VALUES(126,'2026-11-25T23:54:05.280Z',3,3,7,'worker','phase','{"phase":"clean-up"}');
INSERT INTO event VALUES(127,'2026-11-25T23:54:05.287Z',3,3,7,'worker','connected','{"role":"look","server_started":1795650834,"server_uuid":"vm:48561:1","server_version":"10.11.19-MariaDB-0+deb12u1-log","thread_id":32,"user":"shift"}');
INSERT INTO event VALUES(128,'2026-11-25T23:54:05.293Z',3,3,7,'worker','connected','{"role":"lock","server_started":1795650834,"server_uuid":"vm:48561:1","server_version":"10.11.19-MariaDB-0+deb12u1-log","thread_id":33,"user":"shift"}');
INSERT INTO event VALUES(129,'2026-11-25T23:54:05.317Z',3,3,7,'worker','note','{"level":"info","text":"dropped trigger pt_osc_app_t_ins"}');
INSERT INTO event VALUES(130,'2026-11-25T23:54:05.337Z',3,3,7,'worker','note','{"level":"info","text":"dropped trigger pt_osc_app_t_upd"}');
INSERT INTO event VALUES(131,'2026-11-25T23:54:05.343Z',3,3,7,'worker','note','{"level":"info","text":"dropped trigger pt_osc_app_t_del"}');
INSERT INTO event VALUES(132,'2026-11-25T23:54:05.343Z',3,3,7,'worker','intent','{"db":"pending_drops","table":"20261125235405343__3_t_new","what":"trash"}');
INSERT INTO event VALUES(133,'2026-11-25T23:54:05.364Z',3,3,7,'worker','fact','{"db":"app","table":"_3_t_new","what":"dropped"}');
INSERT INTO event VALUES(134,'2026-11-25T23:54:05.367Z',3,3,7,'worker','note','{"level":"info","text":"moved _3_t_new to pending_drops.20261125235405343__3_t_new"}');
INSERT INTO event VALUES(135,'2026-11-25T23:54:05.367Z',3,3,7,'worker','outcome','{"outcome":"cancelled"}');
INSERT INTO event VALUES(136,'2026-11-25T23:54:05.379Z',3,3,7,'supervisor','ended','{"message":"","outcome":"cancelled"}');
INSERT INTO event VALUES(137,'2026-11-25T23:54:05.779Z',4,1,0,'supervisor','claim_intent','{"lock_version":0,"status":0,"step":"prepare"}');
INSERT INTO event VALUES(138,'2026-11-25T23:54:05.785Z',4,1,0,'api','claimed','{"lock_version":1,"read_back":false,"run_host":"","status":0}');
INSERT INTO event VALUES(139,'2026-11-25T23:54:05.977Z',4,1,8,'supervisor','spawn_intended','{"step":"prepare"}');
INSERT INTO event VALUES(140,'2026-11-25T23:54:05.997Z',4,1,8,'supervisor','spawned','{"pid":13110}');
INSERT INTO event VALUES(141,'2026-11-25T23:54:06.002Z',4,1,8,'worker','started','{"boot_id":"57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8","pid":13110,"start_ticks":134158,"version":"0.1.0"}');
INSERT INTO event VALUES(142,'2026-11-25T23:54:06.003Z',4,1,8,'worker','phase','{"phase":"preflight"}');
INSERT INTO event VALUES(143,'2026-11-25T23:54:06.014Z',4,1,8,'worker','connected','{"role":"look","server_started":1795650834,"server_uuid":"vm:48561:1","server_version":"10.11.19-MariaDB-0+deb12u1-log","thread_id":34,"user":"shift"}');
INSERT INTO event VALUES(144,'2026-11-25T23:54:06.102Z',4,1,8,'worker','connected','{"role":"lock","server_started":1795650834,"server_uuid":"vm:48561:1","server_version":"10.11.19-MariaDB-0+deb12u1-log","thread_id":36,"user":"shift"}');
INSERT INTO event VALUES(145,'2026-11-25T23:54:06.103Z',4,1,8,'worker','intent','{"db":"app","table":"_shift_4_check","what":"scratch"}');
INSERT INTO event VALUES(146,'2026-11-25T23:54:06.260Z',4,1,8,'worker','fact','{"db":"app","table":"_shift_4_check","what":"dropped"}');
INSERT INTO event VALUES(147,'2026-11-25T23:54:06.261Z',4,1,8,'worker','phase','{"phase":"dry-run"}');
INSERT INTO event VALUES(148,'2026-11-25T23:54:06.268Z',4,1,8,'worker','intent','{"db":"app","table":"_4_u_new","what":"shadow"}');
INSERT INTO event VALUES(149,'2026-11-25T23:54:06.336Z',4,1,8,'worker','engine','{"boot_id":"57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8","flavour":"basic","pid":13115,"start_ticks":134186,"version":"3.2.1"}');
INSERT INTO event VALUES(150,'2026-11-25T23:54:06.841Z',4,1,8,'worker','fact','{"db":"app","table":"_4_u_new","what":"dropped"}');
INSERT INTO event VALUES(151,'2026-11-25T23:54:06.842Z',4,1,8,'worker','stats','{"index_size":196608,"table_rows":4964,"table_size":1589248,"when":"start"}');
INSERT INTO event VALUES(152,'2026-11-25T23:54:06.842Z',4,1,8,'worker','outcome','{"outcome":"prepared"}');
INSERT INTO event VALUES(153,'2026-11-25T23:54:06.894Z',4,1,8,'supervisor','ended','{"message":"","outcome":"prepared"}');
INSERT INTO event VALUES(154,'2026-11-25T23:54:06.894Z',4,1,8,'supervisor','owes','{"call":"next_step","message":""}');
INSERT INTO event VALUES(155,'2026-11-25T23:54:07.196Z',4,1,8,'api','told','{"answer":"200","call":"next_step","state":"done"}');
INSERT INTO event VALUES(156,'2026-11-25T23:54:07.513Z',4,2,8,'supervisor','claim_intent','{"lock_version":8,"status":3,"step":"run"}');
INSERT INTO event VALUES(157,'2026-11-25T23:54:07.517Z',4,2,8,'api','claimed','{"lock_version":9,"read_back":false,"run_host":"","status":3}');
INSERT INTO event VALUES(158,'2026-11-25T23:54:07.813Z',4,2,9,'supervisor','spawn_intended','{"step":"run"}');
INSERT INTO event VALUES(159,'2026-11-25T23:54:07.825Z',4,2,9,'supervisor','spawned','{"pid":13135}');
INSERT INTO event VALUES(160,'2026-11-25T23:54:07.830Z',4,2,9,'worker','started','{"boot_id":"57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8","pid":13135,"start_ticks":134341,"version":"0.1.0"}');
INSERT INTO event VALUES(161,'2026-11-25T23:54:07.830Z',4,2,9,'worker','phase','{"phase":"preflight"}');
INSERT INTO event VALUES(162,'2026-11-25T23:54:07.836Z',4,2,9,'worker','connected','{"role":"look","server_started":1795650834,"server_uuid":"vm:48561:1","server_version":"10.11.19-MariaDB-0+deb12u1-log","thread_id":39,"user":"shift"}');
INSERT INTO event VALUES(163,'2026-11-25T23:54:07.843Z',4,2,9,'worker','connected','{"role":"lock","server_started":1795650834,"server_uuid":"vm:48561:1","server_version":"10.11.19-MariaDB-0+deb12u1-log","thread_id":40,"user":"shift"}');
INSERT INTO event VALUES(164,'2026-11-25T23:54:07.937Z',4,2,9,'worker','intent','{"db":"app","table":"_4_u_new","what":"shadow"}');
INSERT INTO event VALUES(165,'2026-11-25T23:54:07.937Z',4,2,9,'worker','intent','{"db":"app","names":["pt_osc_app_u_del","pt_osc_app_u_upd","pt_osc_app_u_ins"],"table":"u","what":"triggers"}');
INSERT INTO event VALUES(166,'2026-11-25T23:54:07.938Z',4,2,9,'worker','phase','{"phase":"create"}');
INSERT INTO event VALUES(167,'2026-11-25T23:54:07.940Z',4,2,9,'worker','engine','{"boot_id":"57ad896a-bdd3-4d35-a89c-f6c1d7ef75f8","flavour":"stock","pid":13143,"start_ticks":134353,"version":"3.2.1"}');
INSERT INTO event VALUES(168,'2026-11-25T23:54:07.945Z',4,2,9,'worker','note','{"level":"info","text":"no replicas were found; no lag is watched"}');
INSERT INTO event VALUES(169,'2026-11-25T23:54:08.445Z',4,2,9,'worker','phase','{"phase":"copy"}');
INSERT INTO event VALUES(170,'2026-11-25T23:54:11.684Z',4,2,9,'worker','fact','{"db":"app","table":"_4_u_new","what":"copied"}');
INSERT INTO event VALUES(171,'2026-11-25T23:54:11.688Z',4,2,9,'worker','outcome','{"outcome":"copied"}');
INSERT INTO event VALUES(172,'2026-11-25T23:54:11.759Z',4,2,9,'supervisor','ended','{"message":"","outcome":"copied"}');
INSERT INTO event VALUES(173,'2026-11-25T23:54:11.759Z',4,2,9,'supervisor','owes','{"call":"next_step","message":""}');
INSERT INTO event VALUES(174,'2026-11-25T23:54:11.796Z',0,0,0,'operator','drain','{"keep":true}');
CREATE TABLE outbox (                         -- calls owed to the shift API
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    migration_id   INTEGER NOT NULL REFERENCES migration(id),
    claim          INTEGER NOT NULL,
    claimed_status INTEGER NOT NULL,
    lane           TEXT NOT NULL,             -- report hand-on
    kind           TEXT NOT NULL,             -- append_log progress next_step complete ...
    body           TEXT NOT NULL,             -- JSON
    tries          INTEGER NOT NULL,
    refusals       INTEGER NOT NULL,          -- tries answered by an HTTP error
    created_at     TEXT NOT NULL,
    next_try_at    TEXT NOT NULL,
    last_answer    TEXT NOT NULL,
    state          TEXT NOT NULL              -- pending done superseded dead
) STRICT;
INSERT INTO outbox VALUES(1,1,1,0,'report','append_log','{"from":0,"path":"/tmp/shcJFumA/log/id-1/ptosc-output.log","to":571}',0,0,'2026-11-25T23:53:56.905Z','','200','done');
INSERT INTO outbox VALUES(2,1,1,0,'report','update','{"index_size_start":16384,"table_rows_start":500,"table_size_start":98304}',0,0,'2026-11-25T23:53:57.005Z','','200','done');
INSERT INTO outbox VALUES(3,1,1,0,'report','append_log','{"from":571,"path":"/tmp/shcJFumA/log/id-1/ptosc-output.log","to":1356}',0,0,'2026-11-25T23:53:57.006Z','','200','done');
INSERT INTO outbox VALUES(4,1,1,0,'hand-on','unpin_run_host','{}',0,0,'2026-11-25T23:53:57.006Z','','200','done');
INSERT INTO outbox VALUES(5,1,1,0,'hand-on','next_step','{}',0,0,'2026-11-25T23:53:57.006Z','','200','done');
INSERT INTO outbox VALUES(6,1,2,3,'report','append_log','{"from":1356,"path":"/tmp/shcJFumA/log/id-1/ptosc-output.log","to":1442}',0,0,'2026-11-25T23:53:58.144Z','','200','done');
INSERT INTO outbox VALUES(7,1,2,3,'report','write_state','{"path":"/tmp/shcJFumA/log/id-1/statefile.txt"}',0,0,'2026-11-25T23:53:58.546Z','','200','done');
INSERT INTO outbox VALUES(8,1,2,3,'report','append_log','{"from":1442,"path":"/tmp/shcJFumA/log/id-1/ptosc-output.log","to":2647}',0,0,'2026-11-25T23:53:58.646Z','','200','done');
INSERT INTO outbox VALUES(9,1,2,3,'report','progress','{"copy_percentage":20}',0,0,'2026-11-25T23:53:58.646Z','','200','done');
INSERT INTO outbox VALUES(10,1,2,3,'report','append_log','{"from":2647,"path":"/tmp/shcJFumA/log/id-1/ptosc-output.log","to":3449}',0,0,'2026-11-25T23:53:58.948Z','','200','done');
INSERT INTO outbox VALUES(11,1,2,3,'report','progress','{"copy_percentage":100}',0,0,'2026-11-25T23:53:58.948Z','','200','done');
INSERT INTO outbox VALUES(12,1,2,3,'hand-on','write_state','{"path":"/tmp/shcJFumA/log/id-1/statefile.txt"}',0,0,'2026-11-25T23:53:58.948Z','','200','done');
INSERT INTO outbox VALUES(13,1,2,3,'hand-on','unpin_run_host','{}',0,0,'2026-11-25T23:53:58.948Z','','200','done');
INSERT INTO outbox VALUES(14,1,2,3,'hand-on','next_step','{}',0,0,'2026-11-25T23:53:58.948Z','','200','done');
INSERT INTO outbox VALUES(15,1,3,5,'report','write_state','{"path":"/tmp/shcJFumA/log/id-1/statefile.txt"}',0,0,'2026-11-25T23:54:00.055Z','','200','done');
INSERT INTO outbox VALUES(16,1,3,5,'report','append_log','{"from":3449,"path":"/tmp/shcJFumA/log/id-1/ptosc-output.log","to":3711}',0,0,'2026-11-25T23:54:00.155Z','','200','done');
INSERT INTO outbox VALUES(17,1,3,5,'report','update','{"index_size_end":16384,"table_rows_end":500,"table_size_end":98304}',0,0,'2026-11-25T23:54:00.255Z','','200','done');
INSERT INTO outbox VALUES(18,1,3,5,'report','append_log','{"from":3711,"path":"/tmp/shcJFumA/log/id-1/ptosc-output.log","to":3951}',0,0,'2026-11-25T23:54:00.255Z','','200','done');
INSERT INTO outbox VALUES(19,1,3,5,'hand-on','unpin_run_host','{}',0,0,'2026-11-25T23:54:00.255Z','','200','done');
INSERT INTO outbox VALUES(20,1,3,5,'hand-on','complete','{}',0,0,'2026-11-25T23:54:00.255Z','','200','done');
INSERT INTO outbox VALUES(21,2,1,0,'hand-on','unpin_run_host','{}',0,0,'2026-11-25T23:54:01.072Z','','200','done');
INSERT INTO outbox VALUES(22,2,1,0,'hand-on','fail','{"error_message":"table app.nothere does not exist"}',0,0,'2026-11-25T23:54:01.072Z','','200','done');
INSERT INTO outbox VALUES(23,3,1,0,'report','append_log','{"from":0,"path":"/tmp/shcJFumA/log/id-3/ptosc-output.log","to":688}',0,0,'2026-11-25T23:54:02.196Z','','200','done');
INSERT INTO outbox VALUES(24,3,1,0,'report','update','{"index_size_start":16384,"table_rows_start":500,"table_size_start":98304}',0,0,'2026-11-25T23:54:02.397Z','','200','done');
INSERT INTO outbox VALUES(25,3,1,0,'report','append_log','{"from":688,"path":"/tmp/shcJFumA/log/id-3/ptosc-output.log","to":1356}',0,0,'2026-11-25T23:54:02.397Z','','200','done');
INSERT INTO outbox VALUES(26,3,1,0,'hand-on','unpin_run_host','{}',0,0,'2026-11-25T23:54:02.397Z','','200','done');
INSERT INTO outbox VALUES(27,3,1,0,'hand-on','next_step','{}',0,0,'2026-11-25T23:54:02.397Z','','200','done');
INSERT INTO outbox VALUES(28,3,2,3,'report','append_log','{"from":1356,"path":"/tmp/shcJFumA/log/id-3/ptosc-output.log","to":1442}',0,0,'2026-11-25T23:54:03.533Z','','200','done');
INSERT INTO outbox VALUES(29,3,2,3,'report','write_state','{"path":"/tmp/shcJFumA/log/id-3/statefile.txt"}',0,0,'2026-11-25T23:54:03.937Z','','200','done');
INSERT INTO outbox VALUES(30,3,2,3,'report','append_log','{"from":1442,"path":"/tmp/shcJFumA/log/id-3/ptosc-output.log","to":2563}',0,0,'2026-11-25T23:54:04.037Z','','200','done');
INSERT INTO outbox VALUES(31,3,2,3,'report','progress','{"copy_percentage":40}',0,0,'2026-11-25T23:54:04.136Z','','200','done');
INSERT INTO outbox VALUES(32,3,2,3,'report','append_log','{"from":2563,"path":"/tmp/shcJFumA/log/id-3/ptosc-output.log","to":3449}',0,0,'2026-11-25T23:54:04.438Z','','200','done');
INSERT INTO outbox VALUES(33,3,2,3,'report','progress','{"copy_percentage":100}',0,0,'2026-11-25T23:54:04.438Z','','200','done');
INSERT INTO outbox VALUES(34,3,2,3,'hand-on','write_state','{"path":"/tmp/shcJFumA/log/id-3/statefile.txt"}',0,0,'2026-11-25T23:54:04.438Z','','200','done');
INSERT INTO outbox VALUES(35,3,2,3,'hand-on','unpin_run_host','{}',0,0,'2026-11-25T23:54:04.438Z','','200','done');
INSERT INTO outbox VALUES(36,3,2,3,'hand-on','next_step','{}',0,0,'2026-11-25T23:54:04.438Z','','200','done');
INSERT INTO outbox VALUES(37,3,3,9,'report','append_log','{"from":3449,"path":"/tmp/shcJFumA/log/id-3/ptosc-output.log","to":3783}',0,0,'2026-11-25T23:54:05.379Z','','200','done');
INSERT INTO outbox VALUES(38,3,3,9,'hand-on','unpin_run_host','{}',0,0,'2026-11-25T23:54:05.380Z','','200','done');
INSERT INTO outbox VALUES(39,4,1,0,'report','append_log','{"from":0,"path":"/tmp/shcJFumA/log/id-4/ptosc-output.log","to":377}',0,0,'2026-11-25T23:54:06.693Z','','200','done');
INSERT INTO outbox VALUES(40,4,1,0,'report','update','{"index_size_start":196608,"table_rows_start":4964,"table_size_start":1589248}',0,0,'2026-11-25T23:54:06.894Z','','200','done');
INSERT INTO outbox VALUES(41,4,1,0,'report','append_log','{"from":377,"path":"/tmp/shcJFumA/log/id-4/ptosc-output.log","to":1356}',0,0,'2026-11-25T23:54:06.894Z','','200','done');
INSERT INTO outbox VALUES(42,4,1,0,'hand-on','unpin_run_host','{}',0,0,'2026-11-25T23:54:06.894Z','','200','done');
INSERT INTO outbox VALUES(43,4,1,0,'hand-on','next_step','{}',0,0,'2026-11-25T23:54:06.894Z','','200','done');
INSERT INTO outbox VALUES(44,4,2,3,'report','append_log','{"from":1356,"path":"/tmp/shcJFumA/log/id-4/ptosc-output.log","to":1442}',0,0,'2026-11-25T23:54:08.029Z','','200','done');
INSERT INTO outbox VALUES(45,4,2,3,'report','write_state','{"path":"/tmp/shcJFumA/log/id-4/statefile.txt"}',0,0,'2026-11-25T23:54:08.430Z','','200','done');
INSERT INTO outbox VALUES(46,4,2,3,'report','append_log','{"from":1442,"path":"/tmp/shcJFumA/log/id-4/ptosc-output.log","to":2648}',0,0,'2026-11-25T23:54:08.532Z','','200','done');
INSERT INTO outbox VALUES(47,4,2,3,'report','progress','{"copy_percentage":0}',3,0,'2026-11-25T23:54:08.532Z','2026-11-25T23:54:12.143Z','no answer: Couldn''t connect to server','pending');
INSERT INTO outbox VALUES(48,4,2,3,'report','progress','{"copy_percentage":100}',0,0,'2026-11-25T23:54:09.542Z','','','pending');
INSERT INTO outbox VALUES(49,4,2,3,'report','write_state','{"path":"/tmp/shcJFumA/log/id-4/statefile.txt"}',0,0,'2026-11-25T23:54:10.544Z','','','pending');
INSERT INTO outbox VALUES(50,4,2,3,'report','append_log','{"from":2648,"path":"/tmp/shcJFumA/log/id-4/ptosc-output.log","to":3450}',0,0,'2026-11-25T23:54:11.759Z','','','pending');
INSERT INTO outbox VALUES(51,4,2,3,'hand-on','write_state','{"path":"/tmp/shcJFumA/log/id-4/statefile.txt"}',0,0,'2026-11-25T23:54:11.759Z','','','pending');
INSERT INTO outbox VALUES(52,4,2,3,'hand-on','unpin_run_host','{}',0,0,'2026-11-25T23:54:11.759Z','','','pending');
INSERT INTO outbox VALUES(53,4,2,3,'hand-on','next_step','{}',0,0,'2026-11-25T23:54:11.759Z','','','pending');
CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
INSERT INTO setting VALUES('drain','keep');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('event',174);
INSERT INTO sqlite_sequence VALUES('outbox',53);
CREATE INDEX attempt_by_migration ON attempt(migration_id);
CREATE INDEX event_by_migration ON event(migration_id, id);
CREATE INDEX outbox_pending ON outbox(state, migration_id) WHERE state = 'pending';
CREATE VIEW v_status AS
SELECT m.id, m.cluster, m.host || ':' || m.port AS server, m.database || '.' || m.table_name AS tbl,
       m.status || ' ' || m.status_name AS api_status, m.step, m.state, m.since, m.reason,
       a.phase, round(a.percent, 1) AS percent, a.rows_per_s, a.eta_s, a.throttle,
       m.attempt, a.engine, a.pid AS worker_pid, a.engine_pid,
       (SELECT count(*) FROM outbox o WHERE o.migration_id = m.id AND o.state = 'pending') AS owed
FROM migration m LEFT JOIN attempt a ON a.id = m.attempt AND a.ended = 0
WHERE m.state NOT IN ('seen', 'handed on', 'let go') ORDER BY m.since;
CREATE VIEW v_recent AS
SELECT id, database || '.' || table_name AS tbl, status || ' ' || status_name AS api_status, step,
       state, since, reason FROM migration ORDER BY since DESC;
CREATE VIEW v_stuck AS
SELECT m.id, m.database || '.' || m.table_name AS tbl, m.step, m.state, m.since, m.tries,
       m.next_try_at, m.reason,
       (SELECT o.last_answer FROM outbox o WHERE o.migration_id = m.id AND o.state = 'pending'
        AND o.tries > 0 ORDER BY o.id LIMIT 1) AS api_says
FROM migration m
WHERE (m.state NOT IN ('seen', 'handed on', 'let go') AND m.reason <> '')
   OR EXISTS (SELECT 1 FROM outbox o WHERE o.migration_id = m.id AND o.state = 'pending'
              AND o.tries > 2)
ORDER BY m.since;
CREATE VIEW v_owed AS
SELECT id, migration_id, lane, kind, created_at, tries, refusals, next_try_at, last_answer, body
FROM outbox WHERE state = 'pending' ORDER BY id;
CREATE VIEW v_history AS
SELECT at, migration_id, claim, attempt, source, kind, detail FROM event ORDER BY id;
COMMIT;
