-- What documents hold, a table a group (the first folder of their keys): the columns that queries may rely on, whatever a
-- delivery's documents hold. Fields that are not named here come as they were found; a value of another type is NULL in its
-- column and stands in _rescued, a JSON object of just such values.
create table promo (
    id varchar,
    title varchar,
    "createdMs" bigint,
    keywords varchar[],
    "promoCode" varchar,
    "promoType" varchar,
    network varchar,
    "durationMs" bigint,
    file struct<container varchar, bytes bigint>,
    "titleRef" struct<"houseCode" varchar, "titleName" varchar, season varchar>,
    "airDates" struct<network varchar, at varchar, daypart varchar>[]
);

create table project (
    id varchar,
    title varchar,
    "createdMs" bigint,
    keywords varchar[],
    "projectCode" varchar,
    "projectType" varchar,
    status varchar,
    "budgetAmount" double,
    "budgetCurrency" varchar,
    locked boolean
);

create table collection (
    id varchar,
    title varchar,
    "createdMs" bigint,
    keywords varchar[],
    "collectionKind" varchar,
    "itemCount" bigint,
    private boolean
);

create table image (
    id varchar,
    title varchar,
    "createdMs" bigint,
    keywords varchar[],
    "houseCode" varchar,
    "endpointImageDetail" varchar,
    width bigint,
    height bigint,
    file struct<container varchar, bytes bigint>
);
